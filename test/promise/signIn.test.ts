import { assert, describe, it } from "@effect/vitest"
import { LocalBasilica } from "basilica-sdk/local"
import { AuthenticationError, BasilicaClient, ConfigurationError, type DeviceLoginStep } from "basilica-sdk/promise"
import { Effect, Redacted } from "effect"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "basilica-promise-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const answerOf = (url: string, userCode: string, answer: "confirm" | "deny") =>
  fetch(url, { method: "POST", body: new URLSearchParams({ user_code: userCode, answer }) })

const local = LocalBasilica.layer({ deviceSignIn: true, deviceInterval: "20 millis" })

describe("a sign-in of a program of promises", () => {
  it.live(
    "begins with a code, is kept in the token file, serves the client at once, and is ended",
    () =>
      Effect.gen(function*() {
        const { signIn, url } = yield* LocalBasilica
        const path = join(yield* directory, "auth.json")
        yield* Effect.promise(async () => {
          await using basilica = new BasilicaClient({ baseUrl: url, signIn, tokenFile: path })
          const before: unknown = await basilica.executors.listAvailable().catch((error: unknown) => error)
          assert.instanceOf(before, AuthenticationError)
          const steps: Array<DeviceLoginStep> = []
          for await (const step of basilica.deviceLogin()) {
            steps.push(step)
            if (step._tag === "ShowCode") {
              assert.strictEqual(step.verificationUri, `${url}/activate`)
              await answerOf(step.verificationUri, step.userCode, "confirm")
            }
          }
          assert.deepStrictEqual(steps.at(-1), { _tag: "SignedIn", location: `the token file ${path}` })
          assert.notInclude(inspect(steps, { depth: null, showHidden: true }), "ey")
          const { access_token } = JSON.parse(readFileSync(path, "utf8")) as { readonly access_token: string }
          assert.match(access_token, /^ey/)
          assert.isAbove((await basilica.executors.listAvailable()).items.length, 0)
          await basilica.signOut()
          assert.isFalse(existsSync(path))
        })
      }).pipe(Effect.provide(local)),
    20_000
  )

  it.live("rejects where it was declined, and ends with its signal and with its loop", () =>
    Effect.gen(function*() {
      const { signIn, url } = yield* LocalBasilica
      const path = join(yield* directory, "auth.json")
      yield* Effect.promise(async () => {
        await using basilica = new BasilicaClient({ baseUrl: url, signIn, tokenFile: path })
        const declining = async () => {
          for await (const step of basilica.deviceLogin()) {
            if (step._tag === "ShowCode") await answerOf(step.verificationUri, step.userCode, "deny")
          }
        }
        const declined: unknown = await declining().catch((error: unknown) => error)
        assert.instanceOf(declined, AuthenticationError)
        assert.include(declined.message, "declined")
        const gone = new AbortController()
        const cancelled = async () => {
          for await (const _ of basilica.deviceLogin({ signal: gone.signal })) gone.abort(new Error("enough"))
        }
        assert.match(String(await cancelled().catch((error: unknown) => error)), /enough/)
        for await (const _ of basilica.deviceLogin()) break
      })
    }).pipe(Effect.provide(local)), 20_000)

  it.live("needs a place to be kept, and says so", () =>
    Effect.promise(async () => {
      for (const tokenFile of [undefined, false, ""]) {
        await using basilica = new BasilicaClient({ tokenFile })
        for (const call of [() => basilica.signOut(), () => basilica.deviceLogin().next()]) {
          const error: unknown = await call().then(() => undefined, (reason: unknown) => reason)
          assert.instanceOf(error, ConfigurationError)
          assert.match(
            error.message,
            /tokenFile is .*allowed: true for the file of the official command line, or a path/
          )
        }
      }
    }))
})

describe("the journal of a program of promises", () => {
  it.live("has what a program left that ended in the midst, and reconcile stops it", () =>
    Effect.gen(function*() {
      const { running, token, url } = yield* LocalBasilica
      const path = join(yield* directory, "deploys.journal")
      const options = () => ({ baseUrl: url, token: Redacted.value(token), journalFile: path })
      const config = { gpu: { count: 1 }, image: "ubuntu:24.04", command: ["sleep", "60"], noSsh: true }
      // The first program ends after its deploy, as by a crash: what it wrote down by then is put back.
      const { id } = yield* Effect.promise(async () => {
        await using basilica = new BasilicaClient(options())
        return await basilica.deployments.deploy(config)
      })
      yield* Effect.promise(async () => {
        const intent = { key: "k", executorId: "e", image: "ubuntu:24.04", before: [], held: true, id }
        writeFileSync(path, `${JSON.stringify({ put: { ...intent, sentAt: new Date().toISOString() } })}\n`)
        await using basilica = new BasilicaClient(options())
        const left = await basilica.deployments.reconcile()
        assert.deepStrictEqual(left.map((one) => [one._tag, one.intent.key]), [["Stopped", "k"]])
        assert.deepStrictEqual(await basilica.deployments.reconcile({ found: "adopt" }), [])
      })
      assert.deepStrictEqual(yield* running, [])
    }).pipe(Effect.provide(local)), 20_000)

  it.live("is one, and says so", () =>
    Effect.promise(async () => {
      await using basilica = new BasilicaClient({ journalFile: "" })
      const error: unknown = await basilica.deployments.reconcile().catch((reason: unknown) => reason)
      assert.instanceOf(error, ConfigurationError)
      assert.match(error.message, /journalFile is no path; allowed: the path of a file/)
    }))
})
