import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as FileSystem from "node:fs/promises"
import * as OperatingSystem from "node:os"
import * as Path from "node:path"
import { client, gone, isAlive } from "./Harness.ts"

const program = Path.resolve(import.meta.dirname, "../../src/local/bin.ts")

const spawn = (...parameters: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = ChildProcess.spawn(process.execPath, ["--conditions=basilica-sdk-source", program, ...parameters], {
        stdio: ["ignore", "pipe", "pipe"]
      })
      const output = { stdout: "", stderr: "" }
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => output.stdout += chunk)
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => output.stderr += chunk)
      const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
      return { child, output, ended: Effect.promise(() => ended) }
    }),
    ({ child, ended }) => Effect.andThen(Effect.sync(() => child.kill()), ended)
  )

const temporary = Effect.acquireRelease(
  Effect.promise(() => FileSystem.mkdtemp(Path.join(OperatingSystem.tmpdir(), "bin-test-"))),
  (path) => Effect.promise(() => FileSystem.rm(path, { recursive: true, force: true }))
)

/** Starts the program and reads what it prints, as a shell would. */
const serve = Effect.fnUntraced(function*(...parameters: ReadonlyArray<string>) {
  const server = yield* spawn(...parameters)
  const line = yield* Effect.callback<RegExpExecArray>((resume) => {
    const look = () => {
      const found = /^export BASILICA_API_URL=(\S+) BASILICA_API_TOKEN=(\S+)$/m.exec(server.output.stdout)
      if (found !== null) resume(Effect.succeed(found))
    }
    server.child.stdout.on("data", look)
    server.child.on("close", () => resume(Effect.die(`it ended: ${server.output.stderr}`)))
  })
  const [, url = "", token = ""] = line
  return { ...server, ...client(url, token) }
})

/** The processes of this machine whose command line has a word. */
const withWord = (word: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.callback((resume) => {
    ChildProcess.execFile("ps", ["-A", "-o", "pid=,args="], { maxBuffer: 1e8 }, (error, stdout) =>
      resume(
        error === null
          ? Effect.succeed(stdout.split("\n").filter((line) => line.includes(word)))
          : Effect.die(error)
      ))
  })

const family = "trap '' TERM; sh -c 'sleep 302 & echo grandchild $!; wait' & echo child $!; echo leader $$; wait"

describe("basilica-local", { timeout: 30_000 }, () => {
  it.live("prints lines that a shell takes, and serves", () =>
    Effect.gen(function*() {
      const { call, output, url } = yield* serve("--tenants", "2", "--device-sign-in")
      const lines = output.stdout.trimEnd().split("\n")
      assert.strictEqual(lines.length, 4)
      assert.strictEqual(lines.filter((line) => line.startsWith("export ")).length, 1)
      assert.match(lines[0] ?? "", /^# .*\/docs$/)
      assert.include(lines[2] ?? "", `# tenant-2: export BASILICA_API_URL=${url} BASILICA_API_TOKEN=ey`)
      assert.match(
        lines[3] ?? "",
        /^# to sign in instead: unset BASILICA_API_TOKEN; export BASILICA_API_URL=\S+ BASILICA_AUTH0_DOMAIN=\S+$/
      )
      assert.strictEqual((yield* call("GET", "/executors")).json.total_count, 6)
    }))

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(`stops every rental at ${signal}`, () =>
      Effect.gen(function*() {
        const { child, ended, run, until } = yield* serve()
        const { json } = yield* run(["sh", "-c", "echo pid $$; sleep 303"])
        const [, pid = ""] = yield* until(json.rental_id, /^pid (\d+)$/)
        child.kill(signal)
        yield* ended
        assert.isFalse(yield* isAlive(pid))
      }))
  }

  it.live("leaves no process behind when it is killed, not even grandchildren that want no end", () =>
    Effect.gen(function*() {
      const { child, ended, run, until } = yield* serve("--dir", yield* temporary)
      const { json } = yield* run(["sh", "-c", family])
      const pids = yield* Effect.forEach(
        ["grandchild", "child", "leader"],
        (name) => until(json.rental_id, new RegExp(`^${name} (\\d+)$`))
      )
      for (const [, pid = ""] of pids) assert.isTrue(yield* isAlive(pid))
      child.kill("SIGKILL")
      yield* ended
      for (const [, pid = ""] of pids) yield* gone(pid)
    }))

  it.live("leaves no process behind when it is killed in the midst of starting some", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const executors = Array.from({ length: 40 }, (_, index) => ({
        id: `machine-${index}`,
        gpus: ["NVIDIA H100 80GB HBM3"],
        cpu: { cores: 8, model: "AMD EPYC 9554", memoryGb: 64 }
      }))
      const file = Path.join(directory, "executors.json")
      yield* Effect.promise(() => FileSystem.writeFile(file, JSON.stringify(executors)))
      const word = `304.${process.pid}`
      for (let round = 0; round < 3; round++) {
        const { child, ended, run } = yield* serve("--executors", file, "--dir", Path.join(directory, String(round)))
        const starts = Effect.forEach(executors, () => Effect.forkChild(Effect.exit(run(["sleep", word]))))
        yield* starts
        yield* run(["sleep", word])
        assert.isAbove((yield* withWord(word)).length, 0)
        child.kill("SIGKILL")
        yield* ended
        while ((yield* withWord(word)).length > 0) yield* Effect.sleep("5 millis")
      }
    }))

  it.live("rents out the machines of a file as docs/local.md has one", () =>
    Effect.gen(function*() {
      const document = yield* Effect.promise(() =>
        FileSystem.readFile(Path.resolve(import.meta.dirname, "../../docs/local.md"), "utf8")
      )
      const [, machines = ""] = /```json\n([\s\S]*?)```/.exec(document) ?? []
      const file = Path.join(yield* temporary, "machines.json")
      yield* Effect.promise(() => FileSystem.writeFile(file, machines))
      const { call } = yield* serve("--executors", file)
      const { json } = yield* call("GET", "/executors")
      assert.strictEqual(json.total_count, 2)
    }))

  it.live("says at once why a command does not start", () =>
    Effect.gen(function*() {
      const { output, run } = yield* serve()
      const { json, status } = yield* run(["no-such-program"])
      assert.strictEqual(status, 500)
      assert.strictEqual(json.error.message, "Failed to start rental: 500 Internal Server Error - ")
      while (!output.stderr.includes("\n")) yield* Effect.sleep("5 millis")
      assert.match(
        output.stderr,
        /level=WARN .*deployment was not started: .*no-such-program is no program on the path/
      )
      assert.match(output.stderr, /programs of this machine/)
    }))

  it.live("says what is wrong, and ends with 1", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const { ended, output } = yield* spawn("--port", new URL(url).port)
      assert.strictEqual(yield* ended, 1)
      assert.match(
        output.stderr,
        /^basilica-local: port cannot be listened on \(.*EADDRINUSE.*\); allowed: .*free\)?\n$/
      )
      assert.strictEqual(output.stdout, "")
      const directory = yield* temporary
      const file = Path.join(directory, "machines.json")
      const cases: ReadonlyArray<readonly [string | undefined, ReadonlyArray<string>, RegExp]> = [
        [
          "[{\"id\":\"a\",\"cpu\":{\"cores\":1,\"model\":\"x\",\"memoryGb\":\"y\"}}]",
          ["--executors", file],
          /^basilica-local: executors\[0\]\.gpus is missing\n.*executors\[0\]\.cpu\.memoryGb has the type \w+; allowed: .*\n$/
        ],
        ["[", ["--executors", file], /^basilica-local: executors is a file that is no JSON \(.*\); allowed: .*\n$/],
        [
          undefined,
          ["--executors", `${file}.none`],
          /^basilica-local: executors cannot be read \(.*ENOENT.*\); allowed: .*\n$/
        ],
        [undefined, ["--cors", "foo"], /^basilica-local: cors\[0\] is no origin; allowed: .*\n$/]
      ]
      for (const [text, parameters, words] of cases) {
        if (text !== undefined) yield* Effect.promise(() => FileSystem.writeFile(file, text))
        const wrong = yield* spawn(...parameters)
        assert.strictEqual(yield* wrong.ended, 1)
        assert.match(wrong.output.stderr, words)
        assert.strictEqual(wrong.output.stdout, "")
      }
    }))

  it.live("says its version and its flags", () =>
    Effect.gen(function*() {
      const version = yield* spawn("--version")
      const help = yield* spawn("--help")
      assert.strictEqual(yield* version.ended, 0)
      assert.match(version.output.stdout, /\d+\.\d+\.\d+/)
      assert.strictEqual(yield* help.ended, 0)
      for (const flag of ["--port", "--executors", "--dir", "--tenants", "--device-sign-in", "--cors"]) {
        assert.include(help.output.stdout, flag)
      }
      for (const flag of ["--wizard", "--completions"]) assert.notInclude(help.output.stdout, flag)
    }))
})
