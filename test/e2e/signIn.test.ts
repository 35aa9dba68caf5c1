import { assert, describe, it } from "@effect/vitest"
import { ApiKeys, Auth, Basilica, type DeviceLoginStep, Executors, TokenStore } from "basilica-sdk"
import { LocalBasilica, type LocalBasilicaOptions } from "basilica-sdk/local"
import { NodeHttpClient, TokenFile } from "basilica-sdk/node"
import { Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import * as Files from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runProgram, withProgram } from "../support/bundledProgram.ts"

const list = Executors.use((executors) => executors.listAvailable())

const local = (options: LocalBasilicaOptions = {}) =>
  Effect.flatMap(
    Layer.build(LocalBasilica.layer({ deviceSignIn: true, ...options })),
    (context) => Effect.provide(LocalBasilica, context)
  )

/** Where the token file of the test is to be. */
const tokenPath = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Files.mkdtempSync(join(tmpdir(), "basilica-sign-in-"))),
    (directory) => Effect.sync(() => Files.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => join(directory, "auth.json")
)

type Send = HttpClient.HttpClient["execute"]

/** The real client, with something between it and the token endpoint; `exchanges` counts what is sent there. */
const network = (
  between: (send: Send, request: HttpClientRequest.HttpClientRequest) => ReturnType<Send> = (send, request) =>
    send(request)
) => {
  const counted = { exchanges: 0 }
  const layer = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (http) =>
      HttpClient.make((request) => {
        if (!request.url.endsWith("/oauth/token")) return http.execute(request)
        counted.exchanges++
        return between((one) => http.execute(one), request)
      }))
  ).pipe(Layer.provide(NodeHttpClient.layer))
  return { counted, layer }
}

/** What becomes of an answer whose connection breaks. */
const lost = (send: Send, request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(send(request), () =>
    Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, cause: new Error("connection reset") })
      })
    ))

/** Every service, signed in with the tokens of the first tenant. */
const signedIn = (
  { signIn, tenants: [tenant], url }: LocalBasilica["Service"],
  http: Layer.Layer<HttpClient.HttpClient>
) =>
  Basilica.layerHttpClient({
    baseUrl: url,
    signIn,
    token: tenant?.tokens.accessToken,
    refreshToken: tenant?.tokens.refreshToken
  }).pipe(Layer.provide(http))

const post = (url: string, form: Record<string, string>) =>
  Effect.promise(() => fetch(url, { method: "POST", body: new URLSearchParams(form), redirect: "manual" }))

/** Whoever has a refresh token, and uses it. */
const refresh = ({ signIn }: LocalBasilica["Service"], refreshToken: Redacted.Redacted | undefined) =>
  post(`${signIn.domain}/oauth/token`, {
    grant_type: "refresh_token",
    client_id: signIn.clientId,
    refresh_token: refreshToken === undefined ? "" : Redacted.value(refreshToken)
  })

describe("a program without a sign-in", () => {
  it.live("shows a code, waits, slows down, is signed in, and leaves a token file that others work with", () =>
    Effect.gen(function*() {
      const basilica = yield* local({ deviceInterval: "100 millis" })
      const path = yield* tokenPath
      const file = TokenFile.layer({ path })
      const steps: Array<DeviceLoginStep> = []
      let twice = true
      // The second question is sent twice, which is too soon.
      const { counted, layer } = network((send, request) => {
        const again = twice && counted.exchanges === 2
        if (again) twice = false
        return again ? Effect.andThen(send(request), send(request)) : send(request)
      })
      yield* Auth.deviceLogin(basilica.signIn).pipe(
        Stream.runForEach((step) =>
          Effect.gen(function*() {
            steps.push(step)
            const [shown] = steps
            // The person is slow, and answers once the program was told to slow down.
            if (step._tag !== "Waiting" || step.intervalMillis < 5000 || shown?._tag !== "ShowCode") return
            const address = shown.verificationUriComplete ?? ""
            assert.include(yield* Effect.promise(async () => (await fetch(address)).text()), shown.userCode)
            const answer = yield* post(shown.verificationUri, { user_code: shown.userCode, answer: "confirm" })
            assert.strictEqual(answer.status, 200)
          })
        ),
        Effect.provide([layer, file])
      )
      const seen = steps.map((step) => step._tag === "Waiting" ? step.intervalMillis : step._tag)
      assert.deepStrictEqual(seen, ["ShowCode", 100, 5100, "SignedIn"])
      const last = steps.at(-1)
      assert.include(last?._tag === "SignedIn" ? last.location : "", path)
      assert.strictEqual(Files.statSync(path).mode & 0o777, 0o600)

      // Another program, which knows the file and the addresses.
      const found = yield* list.pipe(Effect.provide(
        Basilica.layerHttpClient({
          baseUrl: basilica.url,
          auth: Layer.provide(Auth.layerFile(basilica.signIn), [file, NodeHttpClient.layer]).pipe(Layer.orDie)
        }).pipe(Layer.provide(NodeHttpClient.layer))
      ))
      assert.isAbove(found.items.length, 0)
    }))

  it.live("is told that the person said no", () =>
    Effect.gen(function*() {
      const basilica = yield* local({ deviceInterval: "50 millis" })
      const path = yield* tokenPath
      const error = yield* Auth.deviceLogin(basilica.signIn).pipe(
        Stream.runForEach((step) =>
          step._tag === "ShowCode"
            ? post(step.verificationUri, { user_code: step.userCode, answer: "deny" })
            : Effect.void
        ),
        Effect.provide([NodeHttpClient.layer, TokenFile.layer({ path })]),
        Effect.flip
      )
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "refused", code: "access_denied" })
      assert.isFalse(Files.existsSync(path))
    }))
})

describe("a sign-in", () => {
  it.effect("is renewed once where its token expires under 100 calls", () =>
    Effect.gen(function*() {
      const basilica = yield* local()
      const { counted, layer } = network()
      yield* Effect.gen(function*() {
        yield* list
        assert.strictEqual(counted.exchanges, 0)
        for (const expiries of [1, 2, 3]) {
          yield* TestClock.adjust("25 hours")
          const found = yield* Effect.all(Array.from({ length: 100 }, () => list), { concurrency: "unbounded" })
          assert.isTrue(found.every(({ items }) => items.length === 6))
          assert.strictEqual(counted.exchanges, expiries)
        }
      }).pipe(Effect.provide(signedIn(basilica, layer)))
    }))

  it.live("is renewed again and again where its tokens live for a second", () =>
    Effect.gen(function*() {
      const start = performance.now()
      const basilica = yield* local({ accessTokenLife: "1 second" })
      const { counted, layer } = network()
      yield* Effect.gen(function*() {
        for (let call = 0; call < 25; call++) {
          yield* list
          yield* Effect.sleep("100 millis")
        }
      }).pipe(Effect.provide(signedIn(basilica, layer)))
      assert.isAtLeast(counted.exchanges, 2)
      // A tenth of its life before its end a token is renewed.
      assert.isAtMost(counted.exchanges, Math.ceil((performance.now() - start) / 900) + 1)
    }))

  it.effect("whose old refresh token is used by a thief is over, and the error says how to sign in again", () =>
    Effect.gen(function*() {
      const basilica = yield* local()
      const { counted, layer } = network()
      yield* Effect.gen(function*() {
        yield* TestClock.adjust("25 hours")
        yield* list
        const stolen = basilica.tenants[0]?.tokens.refreshToken
        assert.strictEqual((yield* refresh(basilica, stolen)).status, 403)
        // The access token is good until it expires.
        yield* list
        yield* TestClock.adjust("25 hours")
        for (let call = 0; call < 3; call++) {
          const error = yield* Effect.flip(list)
          assert.deepInclude(error, { _tag: "AuthenticationError", kind: "signedOut", code: "invalid_grant" })
          assert.match(error.message, /Sign in again: with Auth\.deviceLogin/)
        }
        assert.strictEqual(counted.exchanges, 2)
      }).pipe(Effect.provide(signedIn(basilica, layer)))
    }))

  for (
    const { name, overlap, works } of [
      { name: "goes on within the overlap", overlap: "30 seconds", works: true },
      { name: "is over without one", overlap: 0, works: false }
    ] as const
  ) {
    it.effect(`whose new tokens got lost ${name}`, () =>
      Effect.gen(function*() {
        const basilica = yield* local({ refreshOverlap: overlap })
        const { counted, layer } = network((send, request) =>
          counted.exchanges === 1 ? lost(send, request) : send(request)
        )
        yield* Effect.gen(function*() {
          yield* TestClock.adjust("25 hours")
          const calling = yield* Effect.forkChild(Effect.result(list), { startImmediately: true })
          // The renewal waits before it is sent again.
          while (calling.pollUnsafe() === undefined) {
            yield* TestClock.withLive(Effect.sleep("5 millis"))
            yield* TestClock.adjust("10 millis")
          }
          const exit = yield* Fiber.join(calling)
          assert.strictEqual(counted.exchanges, 2)
          assert.strictEqual(exit._tag, works ? "Success" : "Failure")
          if (exit._tag === "Failure") assert.deepInclude(exit.failure, { kind: "signedOut" })
        }).pipe(Effect.provide(signedIn(basilica, layer)))
      }))
  }

  it.live("that is ended by signing out is of no use anywhere, and gone from the file", () =>
    Effect.gen(function*() {
      const basilica = yield* local()
      const [tenant] = basilica.tenants
      const path = yield* tokenPath
      yield* Effect.gen(function*() {
        const store = yield* TokenStore
        if (tenant !== undefined) yield* store.locked(store.write(tenant.tokens))
        yield* Auth.signOut(basilica.signIn)
        assert.isUndefined(yield* store.read)
      }).pipe(Effect.provide([TokenFile.layer({ path }), NodeHttpClient.layer]))
      assert.strictEqual((yield* refresh(basilica, tenant?.tokens.refreshToken)).status, 403)
    }))

  it.live("is shared by two programs through the token file, while its tokens expire", () =>
    Effect.gen(function*() {
      const basilica = yield* local({ accessTokenLife: "500 millis" })
      const [tenant] = basilica.tenants
      const { path, program } = yield* withProgram("sharedSignIn")
      yield* Effect.gen(function*() {
        const store = yield* TokenStore
        if (tenant !== undefined) yield* store.locked(store.write(tenant.tokens))
        const calls = 600
        const outputs = yield* Effect.promise(() =>
          Promise.all([1, 2].map(() => runProgram(program, [basilica.url, path, String(calls)])))
        )
        for (const output of outputs) assert.isAtLeast(JSON.parse(output).answered, calls)
        const kept = yield* store.read
        assert.notStrictEqual(
          kept && Redacted.value(kept.accessToken),
          tenant && Redacted.value(tenant.tokens.accessToken)
        )
        // Had both used one refresh token, its family would be revoked by now.
        assert.strictEqual((yield* refresh(basilica, kept?.refreshToken)).status, 200)
      }).pipe(Effect.provide(TokenFile.layer({ path })))
    }))
})

describe("API keys", () => {
  it.live("are managed by a person who signed in, and not by an API key", () =>
    Effect.gen(function*() {
      const basilica = yield* local()
      const create = (name: string) => ApiKeys.use((keys) => keys.create(name))
      const key = yield* create("ci-bot").pipe(Effect.provide(signedIn(basilica, NodeHttpClient.layer)))
      assert.match(Redacted.value(key.token), /^basilica_[A-Za-z0-9_-]{64}$/)
      const withKey = Basilica.layer({ baseUrl: basilica.url, token: key.token })
      assert.strictEqual((yield* Effect.provide(list, withKey)).items.length, 6)
      const error = yield* create("other").pipe(Effect.provide(withKey), Effect.flip)
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "refused", code: "BASILICA_API_AUTH_ERROR" })
      assert.match(error.message, /requires human authentication.*access token, not with another API key/)
    }))
})
