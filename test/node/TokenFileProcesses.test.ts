import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Files from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { makeTokenFile } from "../../src/node/internal/TokenFileStore.ts"
import { runProgram, withProgram } from "../support/bundledProgram.ts"
import { IdentityProvider, serveIdentityProvider } from "../support/IdentityProvider.ts"
import { chanceOf, patience, replay, size } from "../support/Scale.ts"

describe("8 programs that share a token file", () => {
  it.live("make one exchange for each expiry", () =>
    Effect.gen(function*() {
      const expiries = size(5, 25)
      const { path, program } = yield* withProgram("sharedSignIn")
      const provider = new IdentityProvider()
      const { url } = yield* serveIdentityProvider(provider)
      const { accessToken, refreshToken } = provider.signIn()
      const store = makeTokenFile(path, { ownsDirectory: false })
      yield* store.locked(
        store.write({ accessToken: Redacted.make(accessToken), refreshToken: Redacted.make(refreshToken) })
      )
      const total = 8 * 50 * expiries
      let expired = 0
      provider.onCall = () => {
        // Evenly over the whole, and for the last time well before the end.
        if (provider.accepted > (expired + 0.5) * total / expiries) {
          expired++
          provider.expire()
        }
      }
      const outputs = yield* Effect.promise(() =>
        Promise.all(Array.from({ length: 8 }, () => runProgram(program, [url, path, String(50 * expiries)])))
      )
      console.log(
        `${provider.exchanges} exchanges, ${expired} expiries, ${provider.refusals} refusals, ${outputs.join()}`
      )
      assert.strictEqual(expired, expiries)
      assert.strictEqual(provider.exchanges, expiries)
      assert.deepStrictEqual(provider.abused, [])
      assert.strictEqual(provider.resent, 0)
      const kept = yield* store.read
      assert.strictEqual(kept && Redacted.value(kept.accessToken), provider.accessToken)
      assert.deepStrictEqual(Files.readdirSync(join(path, "..")), ["auth.json"])
    }), patience)
})

describe("a token file whose writers are killed", () => {
  const cycles = size(500, 10_000)

  it.live(`is whole at every moment of ${cycles} lives`, () =>
    Effect.gen(function*() {
      const { path, program } = yield* withProgram("tokenWriter")
      const store = makeTokenFile(path, { ownsDirectory: false })
      yield* store.locked(
        store.write({ accessToken: Redacted.make("access-0-"), refreshToken: Redacted.make("refresh-0-") })
      )
      let reads = 0
      let distinct = 0
      let last = ""
      let done = false
      const check = () => {
        const { access_token: access, refresh_token: refresh } = JSON.parse(Files.readFileSync(path, "utf8")) as {
          readonly access_token: string
          readonly refresh_token: string
        }
        assert.strictEqual(access.replace("access", ""), refresh.replace("refresh", ""))
        assert.strictEqual(Files.statSync(path).mode & 0o777, 0o600)
        if (access !== last) distinct++
        last = access
        reads++
      }
      const reader = async () => {
        while (!done) {
          check()
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      let started = 0
      let locksLeft = 0
      const lives = async () => {
        while (started < cycles) {
          const life = started++
          const child: ChildProcess = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] })
          const ended = once(child, "exit")
          const first = await Promise.race([child.stdout && once(child.stdout, "data"), ended])
          assert.strictEqual(String(first?.[0]).trim(), "ready", replay(life))
          await new Promise((resolve) => setTimeout(resolve, chanceOf(life)() * 10))
          child.kill("SIGKILL")
          await ended
          // The reader may come to nothing on a busy machine.
          check()
          if (Files.existsSync(`${path}.lock`)) locksLeft++
        }
      }
      yield* Effect.promise(async () => {
        const reading = reader()
        try {
          await Promise.all([lives(), lives(), lives()])
        } finally {
          done = true
        }
        await reading
      })
      console.log(`${cycles} kills, ${reads} reads, ${distinct} contents, a lock left ${locksLeft} times`)
      assert.isAbove(distinct, cycles / 4)
      assert.isAbove(locksLeft, cycles / 20)
      yield* store.locked(store.write({ accessToken: Redacted.make("end"), refreshToken: Redacted.make("end") }))
      // The second lock stays where the last to take over was killed, until the next take-over.
      const left = Files.readdirSync(join(path, "..")).filter((name) => name !== "auth.json.lock.takeover")
      assert.deepStrictEqual(left, ["auth.json", "auth.json.inside"])
    }), patience)
})
