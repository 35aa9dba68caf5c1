import { assert, describe, it } from "@effect/vitest"
import { type DeployIntent, DeployJournal } from "basilica-sdk"
import { FileJournal } from "basilica-sdk/node"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import * as FileSystem from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chanceOf, patience, replay, size } from "../support/Scale.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => FileSystem.mkdtempSync(join(tmpdir(), "basilica-journal-"))),
  (path) => Effect.sync(() => FileSystem.rmSync(path, { recursive: true, force: true }))
)
const path = Effect.map(temporary, (directory) => join(directory, "deploys.journal"))

const intent = (key: string, more: Partial<DeployIntent> = {}): DeployIntent => ({
  key,
  executorId: "2f0c6a3e",
  image: "ubuntu:24.04",
  before: ["rental-1", "rental-2"],
  sentAt: "2025-09-20T12:00:00.000Z",
  ...more
})

const using = (path: string) => <A, E>(use: (journal: DeployJournal["Service"]) => Effect.Effect<A, E>) =>
  Effect.scoped(Effect.provide(DeployJournal.use(use), FileJournal.layer({ path })))
const kept = (path: string) => using(path)((journal) => journal.open)

describe("FileJournal", () => {
  it.effect("keeps what was put and not removed, in its last form", () =>
    Effect.gen(function*() {
      const file = yield* path
      yield* using(file)(Effect.fnUntraced(function*(journal) {
        yield* Effect.forEach(["a", "b", "c"], (key) => journal.put(intent(key)), { concurrency: "unbounded" })
        yield* journal.put(intent("a", { id: "rental-9", held: true }))
        yield* journal.remove("b")
        yield* journal.remove("never there")
      }))
      assert.deepStrictEqual(yield* kept(file), [intent("a", { id: "rental-9", held: true }), intent("c")])
    }))

  it.effect("writes no more than an intent has, for this user alone, and begins anew where nothing is open", () =>
    Effect.gen(function*() {
      const file = yield* path
      yield* using(file)(Effect.fnUntraced(function*(journal) {
        yield* journal.put({ ...intent("a"), environment: { TOKEN: "canary" } } as DeployIntent)
        const text = FileSystem.readFileSync(file, "utf8")
        assert.include(text, "\"a\"")
        assert.notInclude(text, "canary")
        assert.strictEqual(FileSystem.statSync(file).mode & 0o777, 0o600)
        yield* journal.remove("a")
        assert.strictEqual(FileSystem.statSync(file).size, 0)
        yield* journal.put(intent("b"))
      }))
      assert.deepStrictEqual(yield* kept(file), [intent("b")])
    }))

  it.effect("bears a last line that a crash tore, and no other that it cannot read", () =>
    Effect.gen(function*() {
      const file = yield* path
      yield* using(file)((journal) => journal.put(intent("a")))
      const whole = FileSystem.readFileSync(file, "utf8")
      for (const length of [1, 20, whole.length - 1]) {
        FileSystem.appendFileSync(file, whole.slice(0, length))
        yield* using(file)((journal) => journal.put(intent("b")))
        assert.deepStrictEqual(yield* kept(file), [intent("a"), intent("b")])
      }
      FileSystem.writeFileSync(file, `${whole}{"put":{}}\n${whole}`)
      const error = yield* Effect.flip(kept(file))
      assert.match(error.message, /line 2 that cannot be read/)
    }))

  it.effect("becomes short when it is opened", () =>
    Effect.gen(function*() {
      const file = yield* path
      yield* using(file)(Effect.fnUntraced(function*(journal) {
        for (let count = 0; count < 50; count++) yield* journal.put(intent("a", { id: `rental-${count}` }))
      }))
      assert.lengthOf(FileSystem.readFileSync(file, "utf8").split("\n"), 51)
      assert.deepStrictEqual(yield* kept(file), [intent("a", { id: "rental-49" })])
      assert.lengthOf(FileSystem.readFileSync(file, "utf8").split("\n"), 2)
    }))

  it.effect("is for one at a time, and says who has it", () =>
    Effect.gen(function*() {
      const file = yield* path
      yield* using(file)(Effect.fnUntraced(function*() {
        const error = yield* Effect.flip(kept(file))
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.include(error.message, `in use by the process ${process.pid}`)
      }))
      assert.deepStrictEqual(yield* kept(file), [])
      assert.isFalse(FileSystem.existsSync(`${file}.lock`))
    }))

  it.effect("leaves a lock alone whose process runs", () =>
    Effect.gen(function*() {
      const file = yield* path
      const child = spawn(
        process.execPath,
        ["--conditions=basilica-sdk-source", join(import.meta.dirname, "journalWriter.ts"), file, "child"],
        { stdio: ["ignore", "pipe", "inherit"] }
      )
      // The first entry is put, and not removed.
      let said = ""
      while (!said.includes("\nput child-0\n")) {
        said += String((yield* Effect.promise(() => once(child.stdout, "data")))[0])
      }
      const error = yield* Effect.flip(kept(file))
      assert.include(error.message, `in use by the process ${child.pid}`)
      child.kill("SIGKILL")
      yield* Effect.promise(() => once(child, "exit"))
      assert.isNotEmpty(yield* kept(file))
    }), 20_000)

  it.effect("goes to one alone of several who find the lock of a process that is gone", () =>
    Effect.gen(function*() {
      const file = yield* path
      const lock = yield* using(file)(() => Effect.sync(() => FileSystem.readFileSync(`${file}.lock`, "utf8")))
      const dead = spawn(process.execPath, ["-e", ""])
      yield* Effect.promise(() => once(dead, "exit"))
      FileSystem.writeFileSync(`${file}.lock`, JSON.stringify({ ...JSON.parse(lock), pid: dead.pid }))
      const children = Array.from({ length: 4 }, (_, index) =>
        spawn(
          process.execPath,
          ["--conditions=basilica-sdk-source", join(import.meta.dirname, "journalWriter.ts"), file, `child${index}`],
          { stdio: ["ignore", "pipe", "ignore"] }
        ))
      yield* Effect.addFinalizer(() => Effect.sync(() => children.forEach((child) => child.kill("SIGKILL"))))
      // One writes on; the others, who are refused, end by themselves.
      const wrote = yield* Effect.promise(() =>
        Promise.all(children.map(async (child) => {
          const ended = once(child, "exit").then(() => false)
          const put = once(child.stdout, "data").then(() => true)
          return Promise.race([put, ended])
        }))
      )
      assert.lengthOf(wrote.filter((one) => one), 1)
    }), 20_000)

  it.effect("says what is wrong with a file that cannot be used", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      FileSystem.mkdirSync(join(directory, "a"))
      const error = yield* Effect.flip(kept(join(directory, "a")))
      assert.deepInclude(error, { _tag: "ConfigurationError", outcome: "none" })
      assert.include(error.message, "it is no file")
    }))

  it.effect("waits for no pipe, and trusts no file of another user", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const pipe = join(directory, "pipe")
      execFileSync("mkfifo", [pipe])
      assert.include((yield* Effect.flip(kept(pipe))).message, "it is no file")
      if (process.getuid?.() !== 0) return
      const planted = join(directory, "planted")
      FileSystem.writeFileSync(planted, "")
      FileSystem.chownSync(planted, 65_534, 65_534)
      assert.include((yield* Effect.flip(kept(planted))).message, "it belongs to another user")
    }), 10_000)

  it.effect("takes no more where its file is gone or was replaced", () =>
    Effect.gen(function*() {
      const file = yield* path
      yield* using(file)(Effect.fnUntraced(function*(journal) {
        yield* journal.put(intent("a"))
        FileSystem.unlinkSync(file)
        assert.include((yield* Effect.flip(journal.put(intent("b")))).message, "ENOENT")
        FileSystem.writeFileSync(file, "")
        assert.include((yield* Effect.flip(journal.put(intent("b")))).message, "it was replaced while it was in use")
        assert.strictEqual(FileSystem.readFileSync(file, "utf8"), "")
      }))
    }))

  it.effect("is the same by each of its names", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const [file, link, folder] = ["deploys.journal", "link.journal", "folder"].map((name) => join(directory, name))
      if (file === undefined || link === undefined || folder === undefined) return
      yield* using(file)((journal) => journal.put(intent("a")))
      FileSystem.symlinkSync(file, link)
      FileSystem.symlinkSync(directory, folder)
      yield* using(link)(Effect.fnUntraced(function*(journal) {
        yield* journal.put(intent("b"))
        assert.include((yield* Effect.flip(kept(join(folder, "deploys.journal")))).message, "is in use by")
      }))
      assert.isTrue(FileSystem.lstatSync(link).isSymbolicLink())
      assert.deepStrictEqual(yield* kept(file), [intent("a"), intent("b")])
    }))

  it.live(`loses nothing in ${size(10, 200)} kills at any moment`, () =>
    Effect.gen(function*() {
      const file = yield* path
      const expected = new Map<string, "kept" | "gone" | "either">()
      for (let cycle = 0; cycle < size(10, 200); cycle++) {
        const wait = Math.floor(chanceOf(cycle)() * 60)
        const child = spawn(
          process.execPath,
          ["--conditions=basilica-sdk-source", join(import.meta.dirname, "journalWriter.ts"), file, String(cycle)],
          { stdio: ["ignore", "pipe", "inherit"] }
        )
        let output = ""
        child.stdout.on("data", (data: Buffer) => {
          if (output === "") setTimeout(() => child.kill("SIGKILL"), wait)
          output += data.toString()
        })
        yield* Effect.promise(() => once(child, "close"))
        for (const line of output.split("\n")) {
          const [, tried, what, key = ""] = /^(try )?(put|remove) (\S+)$/.exec(line) ?? []
          if (what !== undefined) expected.set(key, tried !== undefined ? "either" : what === "put" ? "kept" : "gone")
        }
        const keys = new Set((yield* kept(file)).map(({ key }) => key))
        for (const [key, state] of expected) {
          if (state === "either") expected.set(key, keys.has(key) ? "kept" : "gone")
          else assert.strictEqual(keys.has(key) ? "kept" : "gone", state, `${key}; ${replay(cycle)}`)
        }
        assert.isTrue([...keys].every((key) => expected.has(key)), replay(cycle))
      }
      assert.isNotEmpty(expected)
    }), patience)
})
