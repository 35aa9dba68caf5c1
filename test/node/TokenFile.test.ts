import { assert, describe, it } from "@effect/vitest"
import { Auth, TokenStore } from "basilica-sdk"
import { TokenFile } from "basilica-sdk/node"
import { ConfigProvider, Effect, Fiber, Layer, Logger, Redacted, type Scope } from "effect"
import { HttpClient } from "effect/http"
import { execFileSync, spawnSync } from "node:child_process"
import * as Files from "node:fs"
import * as NodeFiles from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import type { LockTimes } from "../../src/node/internal/FileLock.ts"
import { type Files as FileActions, makeTokenFile } from "../../src/node/internal/TokenFileStore.ts"
import { onMachineTime } from "../support/MachineTime.ts"

/** A directory for one test. */
const temporary = Effect.acquireRelease(
  Effect.sync(() => Files.mkdtempSync(join(tmpdir(), "basilica-token-"))),
  (path) => Effect.sync(() => Files.rmSync(path, { recursive: true, force: true }))
)

const tokens = (n: string | number) => ({
  accessToken: Redacted.make(`canary-access-${n}`),
  refreshToken: Redacted.make(`canary-refresh-${n}`)
})

const quick: LockTimes = { heartbeat: 20, stale: 200, dead: 20, wait: 5000 }
const until = (is: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => is() ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), until(is)))
const storeAt = (path: string, files?: Partial<FileActions>, lock = quick) =>
  makeTokenFile(path, { ownsDirectory: false, files: { ...NodeFiles, ...files }, lock })

const mode = (path: string) => (Files.statSync(path).mode & 0o777).toString(8)
const write = (path: string, content: unknown) =>
  Files.writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 })

/** The access token that a store gives, or `undefined`. */
const accessOf = (store: TokenStore["Service"]) =>
  Effect.map(store.read, (found) => found === undefined ? undefined : Redacted.value(found.accessToken))

/** What an effect logs. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  return Effect.as(
    Effect.provide(effect, Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])),
    lines
  )
}

/** On the time of this process: on a busy machine no heart misses its beat. */
const onItsTime = (name: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(name, () => onMachineTime(test()))

describe("the token file", () => {
  it.live("is where the official command line has it", () =>
    Effect.gen(function*() {
      const root = yield* temporary
      const location = (env: Record<string, string>) =>
        TokenStore.use((store) => Effect.succeed(store.location)).pipe(
          Effect.provide(Layer.provide(TokenFile.layer(), ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
        )
      assert.strictEqual(yield* location({ XDG_DATA_HOME: root }), `the token file ${root}/basilica/auth.json`)
      assert.match(yield* location({}), /\/\.local\/share\/basilica\/auth\.json$/)
      assert.match(yield* location({ XDG_DATA_HOME: "relative" }), /\/\.local\/share\/basilica\/auth\.json$/)
    }))

  it.live("is read as the official command line writes it, and keeps what it does not know", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "auth.json")
      write(path, `{"access_token": "a", "refresh_token": "b", "expires_at": 7, "__proto__": {"x": 1}}`)
      const store = storeAt(path)
      assert.strictEqual(yield* accessOf(store), "a")
      yield* store.locked(store.write(tokens(1)))
      assert.strictEqual(
        Files.readFileSync(path, "utf8"),
        `{
  "access_token": "canary-access-1",
  "refresh_token": "canary-refresh-1",
  "expires_at": 7,
  "__proto__": {
    "x": 1
  }
}
`
      )
      yield* store.locked(store.remove)
      assert.isUndefined(yield* store.read)
      yield* store.locked(store.remove)
    }))

  for (const umask of [0o000, 0o022, 0o077, 0o777]) {
    it.live(`has mode 0600 in a 0700 directory under umask ${umask.toString(8)}`, () =>
      Effect.gen(function*() {
        const root = yield* temporary
        const path = join(root, "deep", "er", "auth.json")
        const script = `
          import { Effect, Redacted } from "effect"
          import { makeTokenFile } from ${
          JSON.stringify(join(import.meta.dirname, "../../src/node/internal/TokenFileStore.ts"))
        }
          process.umask(${umask})
          const store = makeTokenFile(${JSON.stringify(path)}, { ownsDirectory: true })
          await Effect.runPromise(store.locked(store.write({ accessToken: Redacted.make("a") })))
          await Effect.runPromise(store.locked(store.write({ accessToken: Redacted.make("b") })))`
        // As nobody, where this is root: root is bound by no mode.
        const nobody = { uid: 65534, gid: 65534 }
        // Nobody may not reach a clone in root's own folder.
        const isReached = process.getuid?.() === 0
          && spawnSync(process.execPath, ["--check", join(import.meta.dirname, "../../src/index.ts")], nobody)
              .status === 0
        const user: Partial<typeof nobody> = isReached ? nobody : {}
        if (isReached) Files.chownSync(root, nobody.uid, nobody.gid)
        execFileSync(process.execPath, [
          "--conditions=basilica-sdk-source",
          "--input-type=module-typescript",
          "-e",
          script
        ], {
          ...user,
          cwd: join(import.meta.dirname, "../.."),
          stdio: "pipe"
        })
        assert.strictEqual(mode(path), "600")
        assert.strictEqual(mode(dirname(path)), "700")
        assert.strictEqual(mode(dirname(dirname(path))), "700")
        assert.deepStrictEqual(Files.readdirSync(dirname(path)), ["auth.json"])
      }))
  }

  it.live("that others can read is closed to them, with a warning", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "auth.json")
      write(path, { access_token: "canary" })
      Files.chmodSync(path, 0o644)
      const lines = yield* logged(Effect.andThen(storeAt(path).read, storeAt(path).read))
      assert.strictEqual(mode(path), "600")
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /could be read by others \(mode 0644\); now they cannot/)
      assert.notInclude(lines[0] ?? "", "canary")
    }))

  it.live("has its own directory closed to others, and leaves another as it is", () =>
    Effect.gen(function*() {
      const root = yield* temporary
      for (const ownsDirectory of [false, true]) {
        const directory = join(root, String(ownsDirectory))
        Files.mkdirSync(directory, { mode: 0o755 })
        const store = makeTokenFile(join(directory, "auth.json"), { ownsDirectory })
        yield* store.locked(store.write(tokens(1)))
        assert.strictEqual(mode(directory), ownsDirectory ? "700" : "755")
      }
    }))

  it.live("is not a link, a pipe, a directory, or another user's file", () =>
    Effect.gen(function*() {
      const root = yield* temporary
      const target = join(root, "target")
      write(target, { access_token: "canary" })
      const refused = Effect.fnUntraced(function*(name: string, words: RegExp, make: (path: string) => void) {
        const path = join(root, name)
        make(path)
        const store = storeAt(path)
        for (const action of [store.read, store.write(tokens(1))]) {
          const error = yield* Effect.flip(action)
          assert.deepInclude(error, { _tag: "AuthenticationError", kind: "missing" })
          assert.match(error.message, words)
          assert.notInclude(error.message, "canary")
        }
      })
      yield* refused("link", /is a symbolic link/, (path) => Files.symlinkSync(target, path))
      yield* refused("dangling", /is a symbolic link/, (path) => Files.symlinkSync(join(root, "none"), path))
      yield* refused("pipe", /is no file/, (path) => execFileSync("mkfifo", [path]))
      yield* refused("directory", /is no file/, (path) => Files.mkdirSync(path))
      yield* refused("large", /is far too large/, (path) => write(path, "x".repeat(300_000)))
      if (process.getuid?.() === 0) {
        yield* refused("other", /belongs to another user/, (path) => {
          write(path, { access_token: "canary" })
          Files.chownSync(path, 65534, 65534)
        })
      }
      assert.strictEqual(Files.readFileSync(target, "utf8"), `{"access_token":"canary"}`)
    }))

  for (const content of ["", "{", "[]", "null", "{}", `{"access_token": "a\\nb"}`, `{"access_token": 1}`, "\0\0"]) {
    it.live(`means that nobody is signed in where it holds ${JSON.stringify(content)}`, () =>
      Effect.gen(function*() {
        const path = join(yield* temporary, "auth.json")
        write(path, content)
        assert.isUndefined(yield* storeAt(path).read)
      }))
  }

  onItsTime("is read again where another program is just writing it in place", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "auth.json")
      write(path, `{"access_to`)
      const reading = yield* Effect.forkChild(accessOf(storeAt(path)), { startImmediately: true })
      yield* Effect.sleep("60 millis")
      write(path, { access_token: "whole" })
      assert.strictEqual(yield* Fiber.join(reading), "whole")
    }))

  it.live("is left whole where the disk is full, and nothing is left beside it", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const path = join(directory, "auth.json")
      const good = storeAt(path)
      yield* good.locked(good.write(tokens(1)))
      const full = Object.assign(new Error("ENOSPC: canary"), { code: "ENOSPC" })
      for (const method of ["writeFile", "sync"] as const) {
        const store = storeAt(path, {
          open: async (...args) => {
            const handle = await NodeFiles.open(...args)
            if (args[1] === "wx") handle[method] = () => Promise.reject(full)
            return handle
          }
        })
        const error = yield* Effect.flip(store.locked(store.write(tokens(2))))
        assert.match(error.message, /could not be written \(ENOSPC\)/)
        assert.notInclude(error.message, "canary")
        assert.strictEqual(yield* accessOf(store), "canary-access-1")
      }
      assert.deepStrictEqual(Files.readdirSync(directory), ["auth.json"])
    }))

  it.live("in a directory that cannot be written is read, without a lock, with one warning", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "auth.json")
      write(path, { access_token: "a" })
      const store = makeTokenFile(path, { ownsDirectory: false })
      // Root is bound by no mode, so the lock's own path is blocked: there is a directory that is no directory.
      const blocked = makeTokenFile(join(path, "auth.json"), { ownsDirectory: false })
      const lines = yield* logged(Effect.andThen(blocked.locked(store.read), blocked.locked(store.read)))
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /auth\.json\.lock cannot be made \(ENOTDIR\)/)
    }))

  it.live("says where it looked when nobody is signed in", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "auth.json")
      const http = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make(() => Effect.die(new Error("nothing may be sent")))
      )
      const layer = Layer.provide(Auth.layerConfigOrFile, [
        TokenFile.layer({ path }),
        http,
        ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))
      ])
      const error = yield* Effect.flip(Effect.provide(Auth.use((auth) => auth.token), layer))
      assert.include(error.message, `BASILICA_API_TOKEN in the environment; the token file ${path}.`)
    }))
})

describe("the lock of the token file", () => {
  const lockOf = (path: string) => `${path}.lock`

  onItsTime("lets one work at a time", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "auth.json")
      let inside = 0
      let most = 0
      const work = Effect.gen(function*() {
        most = Math.max(most, ++inside)
        yield* Effect.sleep("5 millis")
        inside--
      })
      yield* Effect.all(Array.from({ length: 20 }, () => storeAt(path).locked(work)), { concurrency: "unbounded" })
      assert.strictEqual(most, 1)
      assert.isFalse(Files.existsSync(lockOf(path)))
    }))

  onItsTime("is not waited for for ever", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "auth.json")
      const holding = yield* Effect.forkChild(storeAt(path).locked(Effect.never), { startImmediately: true })
      yield* until(() => Files.existsSync(lockOf(path)))
      const error = yield* Effect.flip(storeAt(path, {}, { ...quick, wait: 100 }).locked(Effect.void))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "unreachable" })
      assert.include(error.message, lockOf(path))
      yield* Fiber.interrupt(holding)
    }))
})
