import { assert, describe, it } from "@effect/vitest"
import {
  Auth,
  AuthenticationError,
  Basilica,
  Executors,
  type SignInOptions,
  type Tokens,
  TokenStore
} from "basilica-sdk"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Logger, Random, Redacted, Tracer } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { atOnce } from "../support/client.ts"
import {
  type Fault,
  IdentityProvider,
  type ProviderOptions,
  serveIdentityProvider
} from "../support/IdentityProvider.ts"
import { patience, replay, seed, size } from "../support/Scale.ts"

const list = Executors.use((executors) => executors.listAvailable())
const url = "http://127.0.0.1:1"

/** How long things take in a network that lives on virtual time, in milliseconds. */
interface Delays {
  readonly exchange?: number
  /** A 401 arrives at a random moment within so long. */
  readonly spread?: number
}

/** The provider as an `HttpClient`, for virtual time. */
const inMemory = (provider: IdentityProvider, { exchange = 50, spread = 0 }: Delays = {}) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, { pathname }) =>
      Effect.gen(function*() {
        const { body, headers, method } = request
        const asked = {
          method,
          path: pathname,
          authorization: headers["authorization"],
          body: body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
        }
        const broken = (code: string) =>
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, cause: Object.assign(new Error(code), { code }) })
          })
        const fault = provider.faultOf(asked)
        if (fault === "hang") return yield* Effect.never
        if (fault === "drop") return yield* broken("ECONNREFUSED")
        const lost = fault === "lose the reply" || fault === "cut the reply"
        const oauth = pathname.startsWith("/oauth/")
        assert.strictEqual(headers["accept"], "application/json")
        if (oauth) yield* Effect.sleep(exchange)
        const reply = typeof fault === "object" ? fault : provider.handle(asked, lost)
        if (lost) return yield* broken("ECONNRESET")
        if (!oauth && reply.status === 401) yield* Effect.sleep(10 + spread * (yield* Random.next))
        return HttpClientResponse.fromWeb(
          request,
          Response.json(reply.body, { status: reply.status, headers: reply.headers ?? {} })
        )
      })
    )
  )

const signIn: SignInOptions = { domain: url }

/** The services over the provider, signed in with its tokens. */
const services = (provider: IdentityProvider, http: Layer.Layer<HttpClient.HttpClient>, baseUrl = url) => {
  const { accessToken, refreshToken } = provider.signIn()
  return Basilica.layerHttpClient({
    baseUrl,
    token: accessToken,
    refreshToken,
    signIn: { domain: baseUrl },
    retry: atOnce
  }).pipe(Layer.provide(http))
}

/** A store that holds a sign-in. */
const signedIn = (provider: IdentityProvider) => {
  const { accessToken, refreshToken } = provider.signIn()
  return TokenStore.makeMemory({
    accessToken: Redacted.make(accessToken),
    refreshToken: Redacted.make(refreshToken)
  })
}

const virtual = (options: ProviderOptions & Delays = {}) => {
  const provider = new IdentityProvider({ now: () => 0, ...options })
  return { provider, layer: services(provider, inMemory(provider, options)) }
}

/** Runs an effect to its end while virtual time goes on. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>, seconds = 30) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let step = 0; step < seconds * 10 && fiber.pollUnsafe() === undefined; step++) {
      yield* TestClock.adjust("100 millis")
    }
    return yield* Fiber.join(fiber)
  })

describe("a sign-in that is renewed", () => {
  for (const spread of [0, 1000, 3000]) {
    for (let repeat = 1; repeat <= size(1, 20); repeat++) {
      it.effect(`makes one exchange for 500 calls whose 401s arrive over ${spread} ms (${repeat})`, () => {
        const { layer, provider } = virtual({ spread })
        return Effect.gen(function*() {
          yield* list
          provider.expire()
          yield* inTime(Effect.all(Array.from({ length: 500 }, () => list), { concurrency: "unbounded" }))
          assert.strictEqual(provider.exchanges, 1, replay(repeat))
          assert.strictEqual(provider.refusals, 500, replay(repeat))
          assert.strictEqual(provider.accepted, 501, replay(repeat))
          assert.deepStrictEqual(provider.abused, [], replay(repeat))
        }).pipe(Random.withSeed(seed + spread + repeat), Effect.provide(layer))
      })
    }
  }

  it.effect("is renewed before it expires, while calls go on with the old token", () => {
    const { layer, provider } = virtual({ lifetimeSeconds: 1000, exchange: 2000 })
    return Effect.gen(function*() {
      yield* list
      yield* TestClock.adjust("899 seconds")
      yield* list
      yield* TestClock.adjust("500 millis")
      assert.isTrue(provider.requests.every(({ path }) => path === "/executors"))
      yield* TestClock.adjust("500 millis")
      // A tenth of its life is left. The call does not wait for the exchange.
      yield* list
      assert.strictEqual(provider.exchanges, 0)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(provider.exchanges, 1)
      yield* list
      assert.strictEqual(provider.refusals, 0)
      assert.strictEqual(provider.exchanges, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is renewed 5 minutes early where it lives for hours", () => {
    const { layer, provider } = virtual({ lifetimeSeconds: 86_400 })
    return Effect.gen(function*() {
      yield* TestClock.adjust("86099 seconds")
      yield* list
      yield* list
      yield* TestClock.adjust("1 second")
      assert.strictEqual(provider.exchanges, 0)
      yield* list
      yield* TestClock.adjust("1 second")
      assert.strictEqual(provider.exchanges, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not renewed early by the first call of a program, which would have to wait for it", () => {
    const { layer, provider } = virtual({ lifetimeSeconds: 86_400 })
    return Effect.gen(function*() {
      yield* TestClock.adjust("86200 seconds")
      yield* list
      assert.strictEqual(provider.exchanges, 0)
      yield* list
      yield* TestClock.adjust("1 second")
      assert.strictEqual(provider.exchanges, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("works on with the old token while an early renewal fails, and tries again after a while", () => {
    const { layer, provider } = virtual({ lifetimeSeconds: 1000 })
    const busy = { status: 503, body: { error: "temporarily_unavailable" } }
    provider.fault = ({ path }) => path === "/oauth/token" ? busy : undefined
    const exchanges = () => provider.requests.filter(({ path }) => path === "/oauth/token").length
    return Effect.gen(function*() {
      yield* list
      yield* TestClock.adjust("901 seconds")
      yield* list
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(exchanges(), 3)
      yield* Effect.repeat(list, { times: 9 })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(exchanges(), 3)
      yield* TestClock.adjust("30 seconds")
      provider.fault = () => undefined
      yield* list
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(provider.exchanges, 1)
    }).pipe(Effect.provide(layer))
  })

  for (
    const [name, hours] of [["fast by three hours", 3], ["slow by three hours", -3], [
      "fast by ten years",
      87_600
    ]] as const
  ) {
    it.effect(`asks for no token too many where the clock is ${name}`, () => {
      // The provider lives on true time; virtual time starts at the wrong one.
      const offset = hours * 3_600_000
      let elapsed = 0
      const start = 100 * 365 * 86_400_000
      const provider = new IdentityProvider({ now: () => start + elapsed, lifetimeSeconds: 3600 })
      return Effect.gen(function*() {
        yield* TestClock.setTime(start + offset)
        yield* Effect.gen(function*() {
          yield* inTime(list)
          // A clock that is fast makes the first token look old: one exchange. What follows is measured, not read off.
          assert.strictEqual(provider.exchanges, hours > 0 ? 1 : 0)
          const before = provider.exchanges
          yield* inTime(Effect.repeat(list, { times: 20 }))
          yield* TestClock.adjust("53 minutes")
          elapsed += 53 * 60_000
          yield* inTime(Effect.repeat(list, { times: 20 }))
          assert.strictEqual(provider.exchanges, before)
          yield* TestClock.adjust("3 minutes")
          yield* inTime(list)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(provider.exchanges, before + 1)
          assert.strictEqual(provider.refusals, 0)
        }).pipe(Effect.provide(services(provider, inMemory(provider))))
      })
    })
  }

  for (const [way, hours] of [["forward", 48], ["back", -48]] as const) {
    it.effect(`is renewed after its time, though the clock is put ${way}`, () => {
      const { layer, provider } = virtual({ lifetimeSeconds: 1000 })
      let jumped = 0
      return Effect.gen(function*() {
        const clock = yield* Clock.Clock
        const millis = () => clock.currentTimeMillisUnsafe() + jumped
        const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(jumped) * 1_000_000n
        const jumping: Clock.Clock = Object.assign(Object.create(clock) as Clock.Clock, {
          currentTimeMillisUnsafe: millis,
          currentTimeMillis: Effect.sync(millis),
          currentTimeNanosUnsafe: nanos,
          currentTimeNanos: Effect.sync(nanos)
        })
        yield* Effect.gen(function*() {
          yield* list
          jumped = hours * 3_600_000
          yield* list
          yield* TestClock.adjust("899 seconds")
          yield* list
          yield* TestClock.adjust("500 millis")
          assert.strictEqual(provider.exchanges, 0)
          yield* TestClock.adjust("500 millis")
          yield* list
          yield* TestClock.adjust("1 second")
          assert.strictEqual(provider.exchanges, 1)
          assert.strictEqual(provider.refusals, 0)
        }).pipe(Effect.provide(layer), Effect.provideService(Clock.Clock, jumping))
      })
    })
  }

  it.effect("goes by the Date of the reply where its own clock is wrong and the reply says no lifetime", () => {
    const provider = new IdentityProvider({ now: () => 0, lifetimeSeconds: 1000, withoutLifetime: true })
    return Effect.gen(function*() {
      yield* TestClock.setTime(36_000_000)
      yield* Effect.gen(function*() {
        yield* inTime(list)
        yield* inTime(Effect.repeat(list, { times: 5 }))
        assert.strictEqual(provider.exchanges, 1)
      }).pipe(Effect.provide(services(provider, inMemory(provider))))
    })
  })

  it.effect("is not renewed while its token is good, where that says its end and not its beginning", () => {
    const provider = new IdentityProvider({ now: () => 0 })
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const accessToken = `${part({ alg: "none" })}.${part({ exp: 3600 })}.x`
    const { refreshToken } = provider.signIn()
    const layer = Layer.provide(Auth.layerTokens({ accessToken, refreshToken, ...signIn }), inMemory(provider))
    return Effect.gen(function*() {
      const auth = yield* Auth
      assert.strictEqual(Redacted.value(yield* inTime(auth.token)), accessToken)
      assert.lengthOf(provider.requests, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("reads the lifetime off the token where the reply does not say it", () => {
    const { layer, provider } = virtual({ lifetimeSeconds: 1000, withoutLifetime: true })
    return Effect.gen(function*() {
      provider.expire()
      yield* inTime(list)
      assert.strictEqual(provider.exchanges, 1)
      yield* TestClock.adjust("850 seconds")
      yield* list
      assert.strictEqual(provider.exchanges, 1)
      yield* TestClock.adjust("60 seconds")
      yield* inTime(list)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(provider.exchanges, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("goes on for the others when one who waits for it is interrupted", () => {
    const { layer, provider } = virtual({ exchange: 5000 })
    return Effect.gen(function*() {
      provider.expire()
      const first = yield* Effect.forkChild(list, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.forkChild(list, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(second)))
      assert.strictEqual(provider.exchanges, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is kept though everybody who waited is interrupted and the program ends", () => {
    const provider = new IdentityProvider({ now: () => 0 })
    const store = signedIn(provider)
    const layer = Auth.layerFile(signIn).pipe(
      Layer.provide(Layer.succeed(TokenStore, store)),
      Layer.provide(inMemory(provider, { exchange: 5000 }))
    )
    return Effect.gen(function*() {
      const program = yield* Effect.forkChild(
        Effect.gen(function*() {
          const auth = yield* Auth
          yield* auth.invalidate(yield* auth.token)
          return yield* auth.token
        }).pipe(Effect.provide(layer)),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 second")
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(program), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(interrupting)
      const kept = yield* store.read
      assert.strictEqual(provider.exchanges, 1)
      assert.strictEqual(kept && Redacted.value(kept.accessToken), provider.accessToken)
    })
  })

  for (const status of [403, 503, 500]) {
    it.effect(`is not renewed on ${status}, whatever its body says`, () => {
      const { layer, provider } = virtual()
      const body = { error: { code: "BASILICA_API_AUTH_ERROR", message: "Authentication error: no keys" } }
      provider.fault = ({ path }) => path === "/executors" ? { status, body } : undefined
      return Effect.gen(function*() {
        const error = yield* Effect.flip(list)
        assert.strictEqual(error._tag, status === 403 ? "AuthorizationError" : "ApiError")
        assert.isTrue(provider.requests.every(({ path }) => path === "/executors"))
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("sends a call twice at most, though the new token is refused too", () => {
    const { layer, provider } = virtual()
    return Effect.gen(function*() {
      provider.fault = ({ path }) => path === "/executors" ? { status: 401, body: "" } : undefined
      const error = yield* inTime(Effect.flip(list))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "refused" })
      assert.deepStrictEqual(provider.requests.map(({ path }) => path), ["/executors", "/oauth/token", "/executors"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("never renews an API key", () => {
    const provider = new IdentityProvider()
    const layer = Basilica.layerHttpClient({
      baseUrl: url,
      token: `basilica_${"a".repeat(64)}`,
      refreshToken: provider.signIn().refreshToken,
      signIn
    })
    return Effect.gen(function*() {
      const error = yield* inTime(Effect.flip(list))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "refused" })
      assert.lengthOf(provider.requests, 1)
    }).pipe(Effect.provide(Layer.provide(layer, inMemory(provider))))
  })

  describe("whose exchange fails", () => {
    const tokenRequests = (provider: IdentityProvider) =>
      provider.requests.filter(({ path }) => path === "/oauth/token").length

    const failing = (fault: (count: number) => Fault | undefined, options: ProviderOptions = {}) => {
      const made = virtual(options)
      made.provider.expire()
      made.provider.fault = ({ path }, count) => path === "/oauth/token" ? fault(count) : undefined
      return made
    }

    it.effect("before it was sent, is tried again, and then with each call", () => {
      const { layer, provider } = failing((count) => count <= 4 ? "drop" : undefined)
      return Effect.gen(function*() {
        const error = yield* inTime(Effect.flip(list))
        assert.deepInclude(error, {
          _tag: "AuthenticationError",
          kind: "unreachable",
          retryable: true,
          outcome: "none"
        })
        assert.match(error.message, /could not be reached: ECONNREFUSED.*try again later/)
        assert.strictEqual(tokenRequests(provider), 3)
        yield* inTime(list)
        assert.strictEqual(provider.exchanges, 1)
      }).pipe(Effect.provide(layer))
    })

    for (
      const fault of [
        { status: 429, body: "" },
        { status: 429, body: { error: "too_many_requests" } },
        { status: 503, body: { error: "temporarily_unavailable" } }
      ]
    ) {
      it.effect(`with ${JSON.stringify(fault)}, which says that nothing was done, is tried again with each call`, () => {
        const { layer, provider } = failing((count) => count <= 4 ? fault : undefined)
        return Effect.gen(function*() {
          const error = yield* inTime(Effect.flip(list))
          assert.deepInclude(error, { _tag: "AuthenticationError", kind: "unreachable", retryable: true })
          assert.strictEqual(tokenRequests(provider), 3)
          yield* inTime(list)
          assert.strictEqual(provider.exchanges, 1)
          assert.deepStrictEqual(provider.abused, [])
        }).pipe(Effect.provide(layer))
      })
    }

    for (
      const reply of [
        { status: 503, body: "<html>upstream reset" },
        { status: 503, body: "" },
        { status: 503, body: { error: "server_error" } },
        { status: 500, body: { error: "temporarily_unavailable" } },
        { status: 504, body: "" }
      ]
    ) {
      it.effect(`with ${JSON.stringify(reply)} after it was carried out, is sent once more and never again`, () => {
        const { layer, provider } = failing(() => undefined, { overlap: true })
        provider.fault = (request) => {
          if (request.path !== "/oauth/token") return undefined
          provider.handle(request, true)
          return reply
        }
        return Effect.gen(function*() {
          const error = yield* inTime(Effect.flip(list))
          assert.deepInclude(error, { _tag: "AuthenticationError", kind: "signedOut" })
          yield* inTime(Effect.flip(Effect.repeat(list, { times: 5 })))
          assert.strictEqual(tokenRequests(provider), 2)
          assert.deepStrictEqual(provider.abused, [])
        }).pipe(Effect.provide(layer))
      })
    }

    it.effect("with a page of a proxy that is back two seconds later, goes on", () => {
      const { layer, provider } = failing(() => undefined)
      const page = { status: 503, body: "<html>" }
      return Effect.gen(function*() {
        const since = yield* Clock.currentTimeMillis
        const now = yield* Effect.map(Clock.Clock, (clock) => () => clock.currentTimeMillisUnsafe())
        provider.fault = ({ path }) => path === "/oauth/token" && now() - since < 1900 ? page : undefined
        yield* inTime(list)
        assert.strictEqual(provider.exchanges, 1)
        assert.strictEqual(tokenRequests(provider), 2)
      }).pipe(Effect.provide(layer))
    })

    for (const fault of ["lose the reply", { status: 502, body: "<html>" }, { status: 200, body: "{" }] as const) {
      it.effect(`with ${JSON.stringify(fault)}, sends the same refresh token once more`, () => {
        const { layer, provider } = failing((count) => count === 1 ? fault : undefined, { overlap: true })
        return Effect.gen(function*() {
          yield* inTime(list)
          assert.strictEqual(tokenRequests(provider), 2)
          assert.deepStrictEqual(provider.abused, [])
        }).pipe(Effect.provide(layer))
      })
    }

    it.effect("with a refusal that names no error, is one of a proxy, which is no word on the sign-in", () => {
      const { layer, provider } = failing((count) => count === 1 ? { status: 403, body: { error: "" } } : undefined)
      return Effect.gen(function*() {
        yield* inTime(list)
        assert.strictEqual(tokenRequests(provider), 2)
      }).pipe(Effect.provide(layer))
    })

    it.effect("with its reply lost twice, is over: nothing is sent any more", () => {
      const { layer, provider } = failing(() => "lose the reply", { overlap: true })
      return Effect.gen(function*() {
        const error = yield* inTime(Effect.flip(list))
        assert.deepInclude(error, { _tag: "AuthenticationError", kind: "signedOut", retryable: false })
        assert.strictEqual(tokenRequests(provider), 2)
        yield* inTime(Effect.flip(Effect.repeat(list, { times: 5 })))
        assert.strictEqual(tokenRequests(provider), 2)
      }).pipe(Effect.provide(layer))
    })

    it.effect("with its reply lost, then before it was sent, then lost again, is over: it was sent twice", () => {
      const faults: ReadonlyArray<Fault> = ["lose the reply", "drop", "drop", "drop", "lose the reply"]
      const { layer, provider } = failing((count) => faults[count - 1], { overlap: true })
      return Effect.gen(function*() {
        assert.deepInclude(yield* inTime(Effect.flip(list)), { _tag: "AuthenticationError", kind: "unreachable" })
        assert.deepInclude(yield* inTime(Effect.flip(list)), { _tag: "AuthenticationError", kind: "signedOut" })
        assert.strictEqual(tokenRequests(provider), 5)
        assert.deepStrictEqual(provider.abused, [])
      }).pipe(Effect.provide(layer))
    })

    it.effect("with no reply at all, is over after two times 15 seconds", () => {
      const { layer, provider } = failing(() => "hang")
      return Effect.gen(function*() {
        const error = yield* inTime(Effect.flip(list), 40)
        assert.deepInclude(error, { _tag: "AuthenticationError", kind: "signedOut" })
        assert.match(error.message, /did not answer within 15 s/)
        assert.strictEqual(tokenRequests(provider), 2)
      }).pipe(Effect.provide(layer))
    })

    it.effect("because the sign-in was revoked, is over, says how to sign in, and repeats nothing of the reply", () => {
      const { layer, provider } = failing(() => undefined)
      provider.revokeAll()
      return Effect.gen(function*() {
        const error = yield* inTime(Effect.flip(list))
        assert.deepInclude(error, { _tag: "AuthenticationError", kind: "signedOut", code: "invalid_grant" })
        assert.match(error.message, /sign-in is over.*Sign in again/)
        assert.notInclude(inspect(error, { depth: null, showHidden: true }), "canary")
        yield* inTime(Effect.flip(list))
        assert.strictEqual(tokenRequests(provider), 1)
      }).pipe(Effect.provide(layer))
    })

    for (const status of [302, 307]) {
      it.effect(`with a redirect (${status}), is not followed`, () => {
        const { layer, provider } = failing(() => ({ status, body: "", headers: { location: "/oauth/stolen" } }))
        return Effect.gen(function*() {
          const error = yield* inTime(Effect.flip(list))
          assert.deepInclude(error, { _tag: "AuthenticationError", kind: "refused" })
          assert.match(error.message, /redirect, which is never followed/)
          assert.isFalse(provider.requests.some(({ path }) => path === "/oauth/stolen"))
        }).pipe(Effect.provide(layer))
      })
    }

    it.effect("with an endless reply, is cut", () => {
      const { layer } = failing(() => ({ status: 200, body: "x".repeat(1024 * 1024) }))
      return Effect.gen(function*() {
        const error = yield* inTime(Effect.flip(list))
        assert.match(error.message, /more than 262144 bytes/)
      }).pipe(Effect.provide(layer))
    })

    it.effect("with a token that is not printable, is not used", () => {
      const { layer, provider } = failing(() => ({ status: 200, body: { access_token: "a\nb", expires_in: 1 } }))
      return Effect.gen(function*() {
        const error = yield* inTime(Effect.flip(list))
        assert.deepInclude(error, { _tag: "AuthenticationError", kind: "signedOut" })
        assert.isTrue(provider.requests.every(({ authorization }) => authorization?.includes("\n") !== true))
      }).pipe(Effect.provide(layer))
    })
  })

  describe("that is shared", () => {
    const tokens = (one: { readonly accessToken: string; readonly refreshToken: string }): Tokens => ({
      accessToken: Redacted.make(one.accessToken),
      refreshToken: Redacted.make(one.refreshToken)
    })

    const shared = (provider: IdentityProvider, delays?: Delays) => {
      const store = signedIn(provider)
      const layer = Layer.fresh(Auth.layerFile(signIn)).pipe(
        Layer.provide(Layer.succeed(TokenStore, store)),
        Layer.provide(inMemory(provider, delays))
      )
      return { store, layer }
    }

    it.effect("is taken from the store when another has renewed it", () => {
      const provider = new IdentityProvider({ now: () => 0 })
      const { layer, store } = shared(provider)
      return Effect.gen(function*() {
        const auth = yield* Auth
        yield* auth.invalidate(yield* auth.token)
        yield* store.write(tokens(provider.signIn()))
        assert.strictEqual(Redacted.value(yield* auth.token), provider.accessToken)
        assert.lengthOf(provider.requests, 0)
      }).pipe(Effect.provide(layer))
    })

    it.effect("is renewed under the lock once, however many wait", () => {
      const provider = new IdentityProvider({ now: () => 0 })
      const memory = signedIn(provider)
      let locked = 0
      const store = TokenStore.of({
        ...memory,
        locked: (effect) => {
          locked++
          return memory.locked(effect)
        }
      })
      return Effect.gen(function*() {
        const auth = yield* Auth
        yield* auth.invalidate(yield* auth.token)
        yield* inTime(Effect.all(Array.from({ length: 500 }, () => auth.token), { concurrency: "unbounded" }))
        assert.strictEqual(locked, 1)
      }).pipe(
        Effect.provide(
          Auth.layerFile(signIn).pipe(
            Layer.provide(Layer.succeed(TokenStore, store)),
            Layer.provide(inMemory(provider))
          )
        )
      )
    })

    it.effect("is reckoned from when it was kept, so that a wrong clock makes no program renew it", () => {
      const provider = new IdentityProvider({ now: () => 0, lifetimeSeconds: 3600 })
      const tenHours = 10 * 3_600_000
      const kept = { ...tokens(provider.signIn()), keptAtMillis: tenHours }
      const layer = Auth.layerFile(signIn).pipe(
        Layer.provide(Layer.succeed(TokenStore, TokenStore.makeMemory(kept))),
        Layer.provide(inMemory(provider))
      )
      return Effect.gen(function*() {
        yield* TestClock.setTime(tenHours + 60_000)
        const auth = yield* Auth
        assert.strictEqual(Redacted.value(yield* inTime(auth.token)), provider.accessToken)
        assert.lengthOf(provider.requests, 0)
      }).pipe(Effect.provide(layer))
    })

    it.effect("is not renewed where it is an API key", () => {
      const provider = new IdentityProvider()
      const key = { accessToken: `basilica_${"a".repeat(64)}`, refreshToken: provider.signIn().refreshToken }
      const layer = Auth.layerFile(signIn).pipe(
        Layer.provide(Layer.succeed(TokenStore, TokenStore.makeMemory(tokens(key)))),
        Layer.provide(inMemory(provider))
      )
      return Effect.gen(function*() {
        const auth = yield* Auth
        yield* auth.invalidate(yield* auth.token)
        assert.strictEqual(Redacted.value(yield* inTime(auth.token)), key.accessToken)
        assert.lengthOf(provider.requests, 0)
      }).pipe(Effect.provide(layer))
    })

    it.effect("does not fail when another who knows no lock was quicker", () => {
      const provider = new IdentityProvider({ now: () => 0 })
      const { layer, store } = shared(provider, { exchange: 5000 })
      return Effect.gen(function*() {
        const auth = yield* Auth
        yield* auth.invalidate(yield* auth.token)
        const waiting = yield* Effect.forkChild(auth.token, { startImmediately: true })
        yield* TestClock.adjust("1 second")
        provider.revokeAll()
        yield* store.write(tokens(provider.signIn()))
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(Redacted.value(yield* Fiber.join(waiting)), provider.accessToken)
        const kept = yield* store.read
        assert.strictEqual(kept && Redacted.value(kept.accessToken), provider.accessToken)
      }).pipe(Effect.provide(layer))
    })

    it.effect("is asked for twice at most, though another who knows no lock is quicker each time", () => {
      const provider = new IdentityProvider({ now: () => 0, lifetimeSeconds: 1 })
      const { layer, store } = shared(provider)
      let others = 0
      provider.fault = ({ path }) => {
        if (path !== "/oauth/token") return undefined
        // The other's tokens are old too by the time they are seen.
        if (others++ < 20) Effect.runSync(store.write(tokens(provider.signIn())))
        return { status: 403, body: { error: "invalid_grant" } }
      }
      return Effect.gen(function*() {
        yield* TestClock.setTime(3_600_000)
        const auth = yield* Auth
        const error = yield* inTime(Effect.flip(auth.token))
        assert.strictEqual(error.kind, "signedOut")
        assert.strictEqual(others, 2)
      }).pipe(Effect.provide(layer))
    })

    it.effect("that is over comes back when somebody signs in again", () => {
      const provider = new IdentityProvider({ now: () => 0 })
      const { layer, store } = shared(provider)
      return Effect.gen(function*() {
        const auth = yield* Auth
        yield* auth.invalidate(yield* auth.token)
        provider.revokeAll()
        assert.strictEqual((yield* inTime(Effect.flip(auth.token))).kind, "signedOut")
        yield* store.write(tokens(provider.signIn()))
        assert.strictEqual(Redacted.value(yield* auth.token), provider.accessToken)
      }).pipe(Effect.provide(layer))
    })

    it.effect("and signed out elsewhere is not renewed", () => {
      const provider = new IdentityProvider({ now: () => 0 })
      const { layer, store } = shared(provider)
      return Effect.gen(function*() {
        const auth = yield* Auth
        yield* auth.invalidate(yield* auth.token)
        yield* store.remove
        assert.strictEqual((yield* Effect.flip(auth.token)).kind, "missing")
        assert.lengthOf(provider.requests, 0)
      }).pipe(Effect.provide(layer))
    })

    it.effect("works on where the store cannot be written, with a warning", () => {
      const provider = new IdentityProvider({ now: () => 0 })
      const warnings: Array<string> = []
      const memory = signedIn(provider)
      const store = TokenStore.of({
        ...memory,
        write: () =>
          Effect.fail(
            new AuthenticationError({ operation: "x", kind: "missing", reason: "the disk is full", remedy: "Look." })
          )
      })
      const layer = Auth.layerFile(signIn).pipe(
        Layer.provide(Layer.succeed(TokenStore, store)),
        Layer.provide(inMemory(provider)),
        Layer.provideMerge(Logger.layer([Logger.make(({ message }) => warnings.push(String(message)))]))
      )
      return Effect.gen(function*() {
        const auth = yield* Auth
        for (let times = 1; times <= 3; times++) {
          yield* auth.invalidate(yield* auth.token)
          assert.strictEqual(Redacted.value(yield* inTime(auth.token)), provider.accessToken)
          assert.strictEqual(provider.exchanges, times)
          assert.lengthOf(warnings, times)
        }
        assert.deepStrictEqual(provider.abused, [])
        assert.match(warnings[0] ?? "", /renewed, but not kept/)
        assert.notInclude(warnings.join(), "canary")
      }).pipe(Effect.provide(layer))
    })
  })

  it.effect("works on with what could not be kept where the store cannot be read either, and fails without", () => {
    const provider = new IdentityProvider({ now: () => 0 })
    const memory = signedIn(provider)
    const broken = Effect.fail(
      new AuthenticationError({ operation: "x", kind: "missing", reason: "the disk is gone", remedy: "Look." })
    )
    let isBroken = false
    const store = TokenStore.of({
      ...memory,
      read: Effect.suspend(() => isBroken ? broken : memory.read),
      write: () => broken
    })
    const layer = Layer.fresh(Auth.layerFile(signIn)).pipe(
      Layer.provide(Layer.succeed(TokenStore, store)),
      Layer.provide(inMemory(provider))
    )
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        const auth = yield* Auth
        yield* auth.invalidate(yield* auth.token)
        yield* inTime(auth.token)
        isBroken = true
        yield* auth.invalidate(yield* auth.token)
        assert.strictEqual(Redacted.value(yield* inTime(auth.token)), provider.accessToken)
        assert.deepStrictEqual([provider.exchanges, provider.abused], [2, []])
      }).pipe(Effect.provide(layer))
      const error = yield* Effect.flip(Effect.provide(Effect.andThen(Auth, (auth) => inTime(auth.token)), layer))
      assert.deepInclude(error, { _tag: "AuthenticationError", kind: "missing" })
    })
  })

  it.effect("is never renewed with a token that is used up, however the store fails to keep the new one", () =>
    Effect.gen(function*() {
      const failures = [
        () => Effect.die("the store is broken"),
        () => Effect.interrupt,
        () => {
          throw new Error("the store is broken")
        }
      ]
      for (const write of failures) {
        const provider = new IdentityProvider({ now: () => 0 })
        const memory = signedIn(provider)
        const layer = Layer.fresh(Auth.layerFile(signIn)).pipe(
          Layer.provide(Layer.succeed(TokenStore, TokenStore.of({ ...memory, write }))),
          Layer.provide(inMemory(provider))
        )
        yield* Effect.gen(function*() {
          const auth = yield* Auth
          for (let times = 0; times < 2; times++) {
            yield* Effect.exit(Effect.andThen(auth.token, (token) => auth.invalidate(token)))
            yield* Effect.exit(inTime(auth.token))
          }
          assert.deepStrictEqual([provider.exchanges, provider.abused], [2, []])
        }).pipe(Effect.provide(layer))
      }
    }))

  it.live("uses each refresh token once, and once more after a lost reply, over real connections", () => {
    const rounds = size(20, 200)
    const provider = new IdentityProvider({ overlap: true })
    provider.fault = ({ path }, count) => {
      if (path !== "/oauth/token") return undefined
      return count % 10 === 5 ? "lose the reply" : count % 10 === 8 ? "cut the reply" : undefined
    }
    return Effect.gen(function*() {
      const server = yield* serveIdentityProvider(provider)
      const { accessToken, refreshToken } = provider.signIn()
      yield* Effect.gen(function*() {
        for (let round = 0; round < rounds; round++) {
          provider.expire()
          yield* Effect.all(Array.from({ length: 10 }, () => list), { concurrency: "unbounded" })
        }
      }).pipe(
        Effect.provide(
          Basilica.layer({ baseUrl: server.url, token: accessToken, refreshToken, signIn: { domain: server.url } })
        )
      )
      assert.deepStrictEqual(provider.abused, [])
      assert.strictEqual(provider.exchanges, rounds + provider.resent)
      assert.isAbove(provider.resent, rounds / 10)
      assert.strictEqual(provider.accepted, rounds * 10)
    })
  }, patience)

  it.live("shows no token in an error, a log, a span, or anything that is printed", () => {
    const seen: Array<unknown> = []
    const provider = new IdentityProvider()
    return Effect.gen(function*() {
      const server = yield* serveIdentityProvider(provider)
      const { accessToken, refreshToken } = provider.signIn()
      const auth = Basilica.layer({
        baseUrl: server.url,
        token: accessToken,
        refreshToken,
        signIn: { domain: server.url },
        retry: atOnce
      })
      yield* Effect.gen(function*() {
        provider.expire()
        yield* list
        seen.push(yield* Auth, yield* Auth.use((service) => service.token))
        provider.expire()
        provider.revokeAll()
        const exit = yield* Effect.exit(list)
        seen.push(exit)
        if (Exit.isFailure(exit)) seen.push(Cause.pretty(exit.cause), Cause.squash(exit.cause))
      }).pipe(
        Effect.provide(auth),
        Effect.provideService(
          Tracer.Tracer,
          Tracer.make({
            span: (options) => {
              const span = new Tracer.NativeSpan(options)
              seen.push(span)
              return span
            }
          })
        ),
        Effect.provide(Logger.layer([Logger.make((entry) => seen.push(entry.message))]))
      )
      assert.isAbove(seen.length, 8)
      for (const one of seen) {
        const printed = [inspect(one, { depth: 12, showHidden: true }), String(one)]
        if (one instanceof Error) printed.push(one.message, String(one.stack), JSON.stringify(one))
        assert.notInclude(printed.join("\n"), "canary")
        assert.notInclude(printed.join("\n"), accessToken)
      }
    })
  })
})
