import { assert, describe, it } from "@effect/vitest"
import { Auth, Basilica, type DeviceLoginStep, Executors, TokenStore } from "basilica-sdk"
import { NodeHttpClient } from "basilica-sdk/node"
import { BasilicaClient } from "basilica-sdk/promise"
import { ConfigProvider, Effect, Fiber, Layer, Redacted, Stream } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { inspect } from "node:util"
import { vi } from "vitest"
import { IdentityProvider, serveIdentityProvider } from "../support/IdentityProvider.ts"

const list = Executors.use((executors) => executors.listAvailable())
const token = Auth.use((auth) => Effect.map(auth.token, Redacted.value))

const storeOf = (accessToken: string, refreshToken?: string) =>
  TokenStore.layerMemory({
    accessToken: Redacted.make(accessToken),
    refreshToken: refreshToken === undefined ? undefined : Redacted.make(refreshToken)
  })

const env = (values: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env: values }))

const noNetwork = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make(() => Effect.die(new Error("nothing may be sent")))
)

describe("where a token comes from", () => {
  const found = (
    values: Record<string, string>,
    store: Layer.Layer<TokenStore> = storeOf("from-file", "refresh-file")
  ) => token.pipe(Effect.provide(Layer.provide(Auth.layerConfigOrFile, [env(values), store, noNetwork])))

  it.effect("is the environment before the token file", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* found({ BASILICA_API_TOKEN: " from-env " }), "from-env")
      assert.strictEqual(yield* found({ BASILICA_API_TOKEN: "a", BASILICA_REFRESH_TOKEN: "b" }), "a")
      assert.strictEqual(yield* found({}), "from-file")
      assert.strictEqual(yield* found({ BASILICA_REFRESH_TOKEN: "alone" }), "from-file")
    }))

  it.effect("is an option before the environment and any other source", () =>
    Effect.gen(function*() {
      const layer = Basilica.layerHttpClient({ token: "from-option", auth: Auth.layerToken("from-auth") })
      assert.strictEqual(
        yield* token.pipe(Effect.provide(Layer.provide(layer, [noNetwork, env({ BASILICA_API_TOKEN: "env" })]))),
        "from-option"
      )
      const custom = Basilica.layerHttpClient({ auth: Auth.layerToken("from-auth") })
      assert.strictEqual(yield* token.pipe(Effect.provide(Layer.provide(custom, noNetwork))), "from-auth")
    }))

  it.effect("is listed, place by place, where there is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(found({}, TokenStore.layerMemory()))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "missing" })
      assert.match(error.message, /looked for it in: BASILICA_API_TOKEN in the environment; the memory of this program/)
      const config = Layer.provide(Auth.layerConfig, [env({}), noNetwork])
      assert.match(
        (yield* Effect.flip(Effect.provide(token, config))).message,
        /: BASILICA_API_TOKEN in the environment\./
      )
      const nothing = yield* Effect.flip(Effect.provide(token, Auth.layerNone))
      assert.match(nothing.message, /the option token.*BASILICA_API_TOKEN.*deviceLogin.*npx basilica-local/)
      for (const { message } of [error, nothing]) assert.lengthOf(message.match(/BASILICA_API_TOKEN/g) ?? [], 1)
    }))

  it.effect("is not a refresh token of the environment that stands alone, which the error says", () =>
    Effect.gen(function*() {
      const alone = { BASILICA_REFRESH_TOKEN: "canary" }
      const config = Layer.provide(Auth.layerConfig, [env(alone), noNetwork])
      const errors = [
        yield* Effect.flip(Effect.provide(token, config)),
        yield* Effect.flip(found(alone, TokenStore.layerMemory()))
      ]
      for (const { message } of errors) {
        assert.match(message, /BASILICA_REFRESH_TOKEN is set, and renews nothing without the access token/)
        assert.notInclude(message, "canary")
      }
    }))

  it.effect("refuses a refresh token that stands alone, and one that no header can carry", () =>
    Effect.gen(function*() {
      for (
        const options of [{ refreshToken: "canary" }, { token: "t", refreshToken: "can\nary" }, {
          token: "t\0",
          refreshToken: "canary"
        }]
      ) {
        const layer = Layer.provide(Basilica.layerHttpClient(options), noNetwork)
        const error = yield* Effect.flip(Effect.provide(token, layer))
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.notInclude(error.message.replace("\n", ""), "canary")
      }
    }))

  it("is for promises the options, the environment, then the token file", async () => {
    const seen: Array<string | undefined> = []
    const provider = new IdentityProvider()
    const running = Effect.runFork(Effect.scoped(Effect.gen(function*() {
      const { url } = yield* serveIdentityProvider(provider)
      provider.fault = ({ authorization }) => {
        seen.push(authorization)
        return { status: 200, body: { available_executors: [], total_count: 0 } }
      }
      yield* Effect.promise(async () => {
        const tokenFile = join(mkdtempSync(join(tmpdir(), "basilica-auth-")), "auth.json")
        writeFileSync(tokenFile, JSON.stringify({ access_token: "from-file", refresh_token: "refresh" }), {
          mode: 0o600
        })
        vi.stubEnv("BASILICA_API_URL", url)
        vi.stubEnv("BASILICA_API_TOKEN", undefined)
        const call = async (options: ConstructorParameters<typeof BasilicaClient>[0]) => {
          await using basilica = new BasilicaClient(options)
          await basilica.executors.listAvailable()
        }
        try {
          await call({ tokenFile })
          vi.stubEnv("BASILICA_API_TOKEN", "from-env")
          await call({ tokenFile })
          await call({ tokenFile, token: "from-option" })
        } finally {
          vi.unstubAllEnvs()
          rmSync(dirname(tokenFile), { recursive: true })
        }
      })
    })))
    await Effect.runPromise(Fiber.join(running))
    assert.deepStrictEqual(seen, ["Bearer from-file", "Bearer from-env", "Bearer from-option"])
  })

  it.live("is renewed for promises with the refresh token of the options", () =>
    Effect.gen(function*() {
      const provider = new IdentityProvider()
      const { url } = yield* serveIdentityProvider(provider)
      const { accessToken, refreshToken } = provider.signIn()
      provider.expire()
      yield* Effect.promise(async () => {
        await using basilica = new BasilicaClient({
          baseUrl: url,
          token: accessToken,
          refreshToken,
          signIn: { domain: url }
        })
        await basilica.executors.listAvailable()
      })
      assert.strictEqual(provider.exchanges, 1)
    }))
})

describe("the sign-in service", () => {
  const refreshing = (
    domain: string,
    seen: Array<string>,
    values: Record<string, string> = {},
    viaEnvironment = false
  ) =>
    Effect.gen(function*() {
      const auth = yield* Auth
      yield* auth.invalidate(yield* auth.token)
      yield* Effect.ignore(auth.token)
    }).pipe(
      Effect.provide(Layer.provide(
        Auth.layerTokens({ accessToken: "a", refreshToken: "b", ...(viaEnvironment ? {} : { domain }) }),
        [
          env(viaEnvironment ? { BASILICA_AUTH0_DOMAIN: domain, ...values } : values),
          Layer.succeed(
            HttpClient.HttpClient,
            HttpClient.make((request, { href }) =>
              Effect.sync(() => {
                const { body } = request
                seen.push(href, body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : "")
                return HttpClientResponse.fromWeb(request, new Response("{}", { status: 400 }))
              })
            )
          )
        ]
      ))
    )

  for (
    const domain of [
      "http://auth.example.com",
      "http://localhost.evil",
      "http://127.0.0.1@evil",
      "http://[::ffff:127.0.0.1]",
      "http://127.0.0.1.evil.example",
      "http://0x7f000001.evil",
      "ftp://127.0.0.1",
      "user:pass@auth.example.com",
      "auth.example.com?x=1",
      "auth.example.com#x",
      ""
    ]
  ) {
    // An empty variable counts as none.
    for (const viaEnvironment of domain === "" ? [false] : [false, true]) {
      it.effect(`is not "${domain}"${viaEnvironment ? " by the environment either" : ""}`, () =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const error = yield* Effect.flip(refreshing(domain, seen, {}, viaEnvironment))
          assert.strictEqual(error._tag, "ConfigurationError")
          assert.match(error.message, /signIn\.domain/)
          assert.lengthOf(seen, 0)
        }))
    }
  }

  for (
    const [domain, url] of [
      ["auth.example.com", "https://auth.example.com/oauth/token"],
      ["https://auth.example.com/", "https://auth.example.com/oauth/token"],
      ["http://127.1:9", "http://127.0.0.1:9/oauth/token"],
      ["http://0x7f.1:9", "http://127.0.0.1:9/oauth/token"],
      ["http://[::1]:9", "http://[::1]:9/oauth/token"],
      ["http://localhost:9", "http://localhost:9/oauth/token"]
    ] as const
  ) {
    it.effect(`is "${domain}" at ${url}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        yield* refreshing(domain, seen)
        assert.strictEqual(seen[0], url)
      }))
  }

  it.effect("is set up by the environment, and otherwise as the official command line has it", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      yield* refreshing("auth.example.com", seen, { BASILICA_AUTH0_CLIENT_ID: "mine" }, true)
      assert.strictEqual(seen[0], "https://auth.example.com/oauth/token")
      assert.strictEqual(seen[1], "client_id=mine&grant_type=refresh_token&refresh_token=b")
      const defaults = Layer.provide(Auth.layerTokens({ accessToken: "a", refreshToken: "b" }), [env({}), noNetwork])
      yield* Effect.provide(token, defaults)
    }))
})

describe("Auth.deviceLogin", () => {
  const inMemory = (provider: IdentityProvider) =>
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request, { pathname }) =>
        Effect.sync(() => {
          const { body, method } = request
          const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
          const asked = { method, path: pathname, body: text }
          const fault = provider.faultOf(asked)
          const reply = typeof fault === "object" ? fault : provider.handle(asked)
          return HttpClientResponse.fromWeb(request, Response.json(reply.body, { status: reply.status }))
        })
      )
    )

  const login = (provider: IdentityProvider, steps: Array<DeviceLoginStep>, store = TokenStore.makeMemory()) =>
    Auth.deviceLogin({ audience: "https://my.audience/" }).pipe(
      Stream.runForEach((step) => Effect.sync(() => steps.push(step))),
      Effect.provide(Layer.provideMerge(inMemory(provider), Layer.succeed(TokenStore, store)))
    )

  it.effect("shows the code, asks at the pace that the service wants, and keeps the sign-in", () =>
    Effect.gen(function*() {
      const provider = new IdentityProvider()
      provider.devicePolls = ["authorization_pending", "slow_down", "authorization_pending"]
      const store = TokenStore.makeMemory()
      const steps: Array<DeviceLoginStep> = []
      const polls = () => provider.requests.filter(({ path }) => path === "/oauth/token").length
      const fiber = yield* Effect.forkChild(login(provider, steps, store), { startImmediately: true })
      yield* TestClock.adjust("4 seconds")
      assert.deepInclude(steps[0], {
        _tag: "ShowCode",
        userCode: "WDJB-MJHT",
        verificationUri: "https://sign.in/activate",
        verificationUriComplete: "https://sign.in/activate?user_code=WDJB-MJHT",
        expiresInMillis: 600_000
      })
      assert.strictEqual(polls(), 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(polls(), 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(polls(), 2)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(polls(), 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(polls(), 3)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(steps.map(({ _tag }) => _tag), ["ShowCode", "Waiting", "Waiting", "Waiting", "SignedIn"])
      assert.deepStrictEqual(
        steps.flatMap((step) => step._tag === "Waiting" ? [step.intervalMillis] : []),
        [5000, 10_000, 10_000]
      )
      assert.notInclude(inspect(steps, { depth: null, showHidden: true }), "canary")
      const kept = yield* store.read
      assert.strictEqual(kept && Redacted.value(kept.accessToken), provider.accessToken)
      const [first, second] = provider.requests.map(({ body }) => new URLSearchParams(body))
      assert.strictEqual(first?.get("audience"), "https://my.audience/")
      assert.strictEqual(
        first?.get("scope"),
        "openid profile email offline_access rentals:* executors:list keys:create keys:list keys:revoke"
      )
      assert.strictEqual(second?.get("grant_type"), "urn:ietf:params:oauth:grant-type:device_code")
    }))

  it.effect("asks as often as the service says, and no less than each minute", () =>
    Effect.gen(function*() {
      for (const [says, seconds] of [[2, 2], [600, 60]] as const) {
        const provider = new IdentityProvider({ deviceIntervalSeconds: says })
        provider.devicePolls = ["authorization_pending"]
        const steps: Array<DeviceLoginStep> = []
        const fiber = yield* Effect.forkChild(login(provider, steps), { startImmediately: true })
        yield* TestClock.adjust(`${2 * seconds} seconds`)
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(steps.map(({ _tag }) => _tag), ["ShowCode", "Waiting", "SignedIn"])
      }
    }))

  it.effect("asks every five seconds where the service says no pace", () =>
    Effect.gen(function*() {
      for (const interval of [undefined, "soon"]) {
        const provider = new IdentityProvider()
        const { body } = provider.handle({
          method: "POST",
          path: "/oauth/device/code",
          body: "client_id=CVwgCKL9MT5txAGRLCUQu89rvKXAwOVB"
        })
        provider.fault = ({ path }) =>
          path === "/oauth/device/code" ? { status: 200, body: { ...Object(body), interval } } : undefined
        provider.devicePolls = ["authorization_pending"]
        const steps: Array<DeviceLoginStep> = []
        const fiber = yield* Effect.forkChild(login(provider, steps), { startImmediately: true })
        yield* TestClock.adjust("4999 millis")
        assert.deepStrictEqual(steps.map(({ _tag }) => _tag), ["ShowCode"])
        yield* TestClock.adjust("5001 millis")
        yield* Fiber.join(fiber)
        assert.deepInclude(steps[1], { _tag: "Waiting", intervalMillis: 5000 })
      }
    }))

  const lives: ReadonlyArray<readonly [says: unknown, millis: number]> = [
    [60, 60_000],
    ["60", 60_000],
    [86_400, 600_000],
    ["6e1", 600_000],
    ["soon", 600_000],
    [undefined, 600_000]
  ]
  for (const [says, millis] of lives) {
    it.effect(`shows a code for as long as it lives, ten minutes at most, where the service says ${JSON.stringify(says)}`, () =>
      Effect.gen(function*() {
        const provider = new IdentityProvider()
        const { body } = provider.handle({
          method: "POST",
          path: "/oauth/device/code",
          body: "client_id=CVwgCKL9MT5txAGRLCUQu89rvKXAwOVB"
        })
        provider.fault = ({ path }) =>
          path === "/oauth/device/code" ? { status: 200, body: { ...Object(body), expires_in: says } } : undefined
        const steps: Array<DeviceLoginStep> = []
        const fiber = yield* Effect.forkChild(login(provider, steps), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        assert.deepInclude(steps[0], { _tag: "ShowCode", expiresInMillis: millis })
        yield* Fiber.interrupt(fiber)
      }))
  }

  it.effect("asks again where an answer got lost", () =>
    Effect.gen(function*() {
      const provider = new IdentityProvider()
      provider.fault = ({ path }, count) =>
        path === "/oauth/token" && count < 3 ? { status: 502, body: "<html>" } : undefined
      const steps: Array<DeviceLoginStep> = []
      const fiber = yield* Effect.forkChild(login(provider, steps), { startImmediately: true })
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(steps.at(-1)?._tag, "SignedIn")
    }))

  for (
    const [answer, words] of [
      ["access_denied", /the sign-in was declined.*Start the sign-in again/],
      ["expired_token", /answered 403 expired_token/],
      ["authorization_pending", /nobody entered the code in time/]
    ] as const
  ) {
    it.effect(`ends with a reason on ${answer}`, () =>
      Effect.gen(function*() {
        const provider = new IdentityProvider()
        provider.devicePolls = Array.from({ length: 1000 }, () => answer)
        const fiber = yield* Effect.forkChild(Effect.flip(login(provider, [])), { startImmediately: true })
        yield* TestClock.adjust("10 minutes")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag, "AuthenticationError")
        assert.match(error.message, words)
        assert.notInclude(error.message, "canary")
      }))
  }

  it.effect("says why it cannot begin", () =>
    Effect.gen(function*() {
      const provider = new IdentityProvider()
      provider.fault = () => ({ status: 403, body: { error: "unauthorized_client" } })
      const error = yield* Effect.flip(login(provider, []))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "refused", code: "unauthorized_client" })
    }))

  it.effect("takes a page of a proxy for no word on the sign-in", () =>
    Effect.gen(function*() {
      const provider = new IdentityProvider()
      provider.fault = () => ({ status: 403, body: "<html>denied</html>" })
      const error = yield* Effect.flip(login(provider, []))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "unreachable" })
    }))
})

describe("Auth.signOut", () => {
  const signOut = (url: string, store: TokenStore["Service"]) =>
    Auth.signOut({ domain: url }).pipe(
      Effect.provide(Layer.merge(NodeHttpClient.layer, Layer.succeed(TokenStore, store)))
    )

  const signedIn = Effect.gen(function*() {
    const provider = new IdentityProvider()
    const { url } = yield* serveIdentityProvider(provider)
    const { accessToken, refreshToken } = provider.signIn()
    const store = TokenStore.makeMemory({
      accessToken: Redacted.make(accessToken),
      refreshToken: Redacted.make(refreshToken)
    })
    return { provider, url, store }
  })

  it.live("makes the refresh token worthless and forgets the sign-in", () =>
    Effect.gen(function*() {
      const { provider, store, url } = yield* signedIn
      yield* signOut(url, store)
      assert.strictEqual(provider.revoked, 1)
      assert.isUndefined(yield* store.read)
      yield* signOut(url, store)
      assert.lengthOf(provider.requests, 1)
    }))

  it.live("does all of it under the lock, so that nobody renews the sign-in meanwhile", () =>
    Effect.gen(function*() {
      const { provider, store, url } = yield* signedIn
      const steps: Array<string> = []
      const noting = (step: string) => Effect.sync(() => steps.push(step))
      provider.fault = () => {
        steps.push("revoke")
        return undefined
      }
      yield* signOut(url, {
        ...store,
        locked: (effect) => Effect.ensuring(Effect.andThen(noting("lock"), store.locked(effect)), noting("unlock")),
        read: Effect.andThen(noting("read"), store.read),
        remove: Effect.andThen(noting("remove"), store.remove)
      })
      assert.deepStrictEqual(steps, ["lock", "read", "revoke", "remove", "unlock"])
    }))

  it.live("forgets nothing where the service cannot be reached", () =>
    Effect.gen(function*() {
      const { provider, store, url } = yield* signedIn
      provider.fault = () => ({ status: 500, body: "" })
      const error = yield* Effect.flip(signOut(url, store))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "unreachable", retryable: true })
      assert.match(error.message, /Nothing was removed: try again/)
      assert.isDefined(yield* store.read)
    }))
})

describe("a sign-in with a code that the service does not allow", () => {
  it.live("says so, and what a local Basilica wants", () =>
    Effect.gen(function*() {
      const provider = new IdentityProvider()
      const { url } = yield* serveIdentityProvider(provider)
      provider.fault = () => ({ status: 403, body: { error: "unauthorized_client" } })
      const error = yield* Auth.deviceLogin({ domain: url }).pipe(
        Stream.runDrain,
        Effect.provide([TokenStore.layerMemory(), NodeHttpClient.layer]),
        Effect.flip
      )
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "refused", code: "unauthorized_client" })
      assert.match(error.message, /does not let this client sign in with a code.*--device-sign-in/)
    }))
})

describe("a call while a token is waited for", () => {
  it.live("has sent nothing when its time runs out", () =>
    Effect.gen(function*() {
      const provider = new IdentityProvider()
      const { url } = yield* serveIdentityProvider(provider)
      const { accessToken, refreshToken } = provider.signIn()
      provider.expire()
      const busy = { status: 503, body: { error: "temporarily_unavailable" } }
      provider.fault = ({ path }) => path === "/oauth/token" ? busy : undefined
      const never = Layer.succeed(Auth, { token: Effect.never, invalidate: () => Effect.void })
      const error = yield* Effect.flip(list).pipe(
        Effect.provide(Basilica.layer({ baseUrl: url, auth: never, timeout: "50 millis" }))
      )
      assert.deepInclude(error, { _tag: "TimeoutError", phase: "connect", outcome: "none" })
      const unreachable = yield* Effect.flip(list).pipe(
        Effect.provide(Basilica.layer({ baseUrl: url, token: accessToken, refreshToken, signIn: { domain: url } }))
      )
      assert.deepInclude(unreachable, { _tag: "AuthenticationError", kind: "unreachable" })
      assert.deepStrictEqual(
        provider.requests.map(({ path }) => path),
        ["/executors", "/oauth/token", "/oauth/token", "/oauth/token"]
      )
    }))
})
