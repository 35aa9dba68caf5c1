import { assert, describe, it } from "@effect/vitest"
import {
  ApiError,
  Basilica,
  defaultRetrySchedule,
  Executors,
  Health,
  Transport,
  type TransportOptions
} from "basilica-sdk"
import { Duration, Effect, Exit, Fiber, Layer, Redacted, Result, Schedule, Tracer } from "effect"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { gzipSync } from "node:zlib"
import { Auth } from "../../src/services/Auth.ts"
import { against, atOnce } from "../support/client.ts"
import { bare, envelope, json, scriptedServer } from "../support/ScriptedServer.ts"

/** As a program is traced: where no tracer listens, there is nothing that could be sent. */
const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.withSpan("a span of the user's"),
    Effect.withTracer(Tracer.make({ span: (options) => new Tracer.NativeSpan(options) }))
  )

const healthy = { status: "healthy", version: "0.1.0", timestamp: "t", healthy_validators: 1, total_validators: 1 }
const noExecutors = { available_executors: [], total_count: 0 }
const list = Executors.use((executors) => executors.listAvailable())

describe("Transport", () => {
  it.live("sends the token, asks for JSON, and sends no trace header", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, noExecutors))
      yield* traced(list).pipe(against({ baseUrl: `${server.url}/prefix/` }))
      const [request] = server.received
      assert.strictEqual(request?.url, "/prefix/executors")
      assert.strictEqual(request?.headers.authorization, "Bearer secret-token-1")
      assert.strictEqual(request?.headers.accept, "application/json")
      assert.notProperty(request?.headers, "traceparent")
      assert.notProperty(request?.headers, "b3")
    }))

  it.live("sends no trace header with the client for other calls", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, noExecutors))
      yield* traced(Transport.use(({ client }) => client.get("/executors"))).pipe(against({ baseUrl: server.url }))
      assert.strictEqual(server.received[0]?.headers.authorization, "Bearer secret-token-1")
      assert.notProperty(server.received[0]?.headers, "traceparent")
      assert.notProperty(server.received[0]?.headers, "b3")
    }))

  it.live("sends no token to health", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, healthy))
      yield* Health.use((health) => health.check).pipe(against({ baseUrl: server.url }))
      assert.notProperty(server.received[0]?.headers, "authorization")
    }))

  it.live("needs a token for all else, and says so before anything is sent", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, noExecutors))
      const error = yield* list.pipe(against({ baseUrl: server.url, token: undefined }), Effect.flip)
      assert.strictEqual(error._tag, "AuthenticationError")
      assert.match(error.message, /^Executors\.listAvailable .*BASILICA_API_TOKEN/)
      assert.lengthOf(server.received, 0)
    }))

  for (
    const [status, tag, sends] of [
      [400, "ApiError", 1],
      [401, "AuthenticationError", 1],
      [402, "ApiError", 1],
      [403, "AuthorizationError", 1],
      [404, "ApiError", 1],
      [408, "ApiError", 3],
      [422, "ApiError", 1],
      [429, "RateLimited", 3],
      [500, "ApiError", 3],
      [502, "ApiError", 3],
      [503, "ApiError", 3],
      [504, "ApiError", 3]
    ] as const
  ) {
    it.live(`makes ${tag} of ${status} after ${sends} sends, with a body and without`, () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer((response, _, count) =>
          count <= sends ? bare(response, status) : envelope(response, status, "BASILICA_API_OTHER_ERROR", "because")
        )
        const call = list.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.strictEqual((yield* call)._tag, tag)
        assert.lengthOf(server.received, sends)
        const error = yield* call
        assert.lengthOf(server.received, 2 * sends)
        if (error instanceof ApiError) {
          assert.deepStrictEqual([error.status, error.code, error.reason], [
            status,
            "BASILICA_API_OTHER_ERROR",
            "because"
          ])
          assert.strictEqual(error.outcome, "none")
        }
      }))
  }

  it.live("classifies by status first: an auth code on 503 is no failed sign-in", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        envelope(response, 503, "BASILICA_API_AUTH_ERROR", "Authentication error: no keys")
      )
      const error = yield* list.pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(error._tag, "ApiError")
    }))

  it.live("recovers when a later attempt succeeds", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, _, count) => {
        if (count === 1) return response.destroy()
        if (count === 2) return envelope(response, 500, "BASILICA_API_OTHER_ERROR", "passing")
        return json(response, 200, noExecutors)
      })
      const listing = yield* list.pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(listing, { items: [], invalid: [], totalCount: 0 })
      assert.lengthOf(server.received, 3)
    }))

  it.live("keeps the request id", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 400, { "x-request-id": "req-7" }))
      const error = yield* list.pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual((error as ApiError).requestId, "req-7")
    }))

  for (const status of [301, 302, 307, 308]) {
    it.live(`follows no ${status}`, () =>
      Effect.gen(function*() {
        const elsewhere = yield* scriptedServer((response) => json(response, 200, noExecutors))
        const server = yield* scriptedServer((response) => bare(response, status, { location: elsewhere.url }))
        const error = yield* list.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.strictEqual(error._tag, "ApiError")
        assert.match(error.message, /redirect/)
        assert.lengthOf(elsewhere.received, 0)
        assert.lengthOf(server.received, 1)
      }))
  }

  it.live("says what is wrong with a body that it does not understand", () =>
    Effect.gen(function*() {
      const bodies = ["{", "[]", "null", "", "{\"available_executors\":7}", "<html>", "{\"available_executors\":"]
      const server = yield* scriptedServer((response, _, count) => response.end(bodies[count - 1]))
      for (const body of bodies) {
        const error = yield* list.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.strictEqual(error._tag, "InvalidResponse", body)
      }
      assert.lengthOf(server.received, bodies.length)
    }))

  it.live("reads no more of a body than its limit", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => response.end("x".repeat(200_000)))
      const error = yield* list.pipe(against({ baseUrl: server.url, maxBodyBytes: 100_000 }), Effect.flip)
      assert.strictEqual(error._tag, "InvalidResponse")
      assert.match(error.message, /larger than 100000 bytes/)
    }))

  it.live("takes a compressed reply that it did not ask for as one that it does not understand", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => {
        response.writeHead(200, { "content-encoding": "gzip" })
        response.end(gzipSync(JSON.stringify(noExecutors)))
      })
      const error = yield* list.pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(error._tag, "InvalidResponse")
    }))

  describe("the deadline", () => {
    it.live("ends a call without a reply in the phase headers, and closes the connection", () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer(() => {})
        const error = yield* list.pipe(against({ baseUrl: server.url, timeout: "100 millis" }), Effect.flip)
        assert.deepInclude(error, { _tag: "TimeoutError", phase: "headers", afterMillis: 100, outcome: "none" })
        yield* server.allClosed
        assert.lengthOf(server.received, 1)
      }))

    it.live("ends a body that stalls in the phase body, and closes the connection", () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer((response) => {
          response.writeHead(200, { "content-length": "1000" })
          response.write("{")
        })
        const error = yield* list.pipe(against({ baseUrl: server.url, timeout: "100 millis" }), Effect.flip)
        assert.deepInclude(error, { _tag: "TimeoutError", phase: "body" })
        yield* server.allClosed
      }))

    it.live("covers the retries, in the phase backoff", () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer((response) => bare(response, 503))
        const retry = Schedule.spaced("1 hour") as Schedule.Schedule<unknown, never> as TransportOptions["retry"]
        const error = yield* list.pipe(against({ baseUrl: server.url, timeout: "100 millis", retry }), Effect.flip)
        assert.deepInclude(error, { _tag: "TimeoutError", phase: "backoff" })
        assert.lengthOf(server.received, 1)
      }))
  })

  it.live("closes the connection when it is interrupted", () =>
    Effect.gen(function*() {
      let arrived = () => {}
      const arrival = new Promise<void>((resolve) => arrived = resolve)
      const server = yield* scriptedServer(() => arrived())
      const fiber = yield* Effect.forkChild(list.pipe(against({ baseUrl: server.url })))
      yield* Effect.promise(() => arrival)
      yield* Fiber.interrupt(fiber)
      yield* server.allClosed
    }))

  it.live("says that nothing was done where nothing listens", () =>
    Effect.gen(function*() {
      const error = yield* list.pipe(against({ baseUrl: "http://127.0.0.1:1" }), Effect.flip)
      assert.deepInclude(error, { _tag: "NetworkError", phase: "connect", outcome: "none" })
      assert.match(error.message, /ECONNREFUSED/)
    }))

  it.live("says of a refused token which one goes before which: another may be meant", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 401))
      const { message } = yield* list.pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.match(
        message,
        /sign in again\. One given as an option goes before BASILICA_API_TOKEN, and that before the tok/
      )
    }))

  it.live("sends once more with another token after a 401, and not with the same", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { headers }) =>
        headers.authorization === "Bearer new" ? json(response, 200, noExecutors) : bare(response, 401)
      )
      const tokens = ["old", "new"]
      const refused: Array<string> = []
      const auth = Layer.sync(Auth, () => {
        let current = 0
        return Auth.of({
          token: Effect.sync(() => Redacted.make(tokens[current] ?? "")),
          invalidate: (token) =>
            Effect.sync(() => {
              refused.push(Redacted.value(token))
              current = 1
            })
        })
      })
      const services = Executors.layer.pipe(
        Layer.provide(Transport.layer({ baseUrl: server.url })),
        Layer.provide([auth, FetchHttpClient.layer])
      )
      yield* list.pipe(Effect.provide(services))
      assert.deepStrictEqual(refused, ["old"])
      assert.lengthOf(server.received, 2)
    }))

  it.live("sends a POST once more too after a 401, which was not carried out, and never a third time", () =>
    Effect.gen(function*() {
      for (const good of ["new", "newer"]) {
        const server = yield* scriptedServer((response, { headers }) =>
          headers.authorization === `Bearer ${good}` ? json(response, 200, { made: true }) : bare(response, 401)
        )
        const tokens = ["old", "new", "newer"]
        const auth = Layer.sync(Auth, () =>
          Auth.of({
            token: Effect.sync(() => Redacted.make(tokens[0] ?? "")),
            invalidate: () => Effect.sync(() => void tokens.shift())
          }))
        const exit = yield* Transport.use((transport) =>
          transport.request({ operation: "post", method: "POST", path: ["x"], body: { a: 1 }, decode: Result.succeed })
        ).pipe(
          Effect.provide(Layer.provide(Transport.layer({ baseUrl: server.url }), [auth, FetchHttpClient.layer])),
          Effect.result
        )
        assert.strictEqual(Result.isSuccess(exit), good === "new")
        if (Result.isFailure(exit)) assert.strictEqual(exit.failure._tag, "AuthenticationError")
        assert.deepStrictEqual(server.received.map(({ body, headers }) => [headers.authorization, body]), [
          ["Bearer old", "{\"a\":1}"],
          ["Bearer new", "{\"a\":1}"]
        ])
      }
    }))

  it.live("follows no redirect with the user's own fetch either", () =>
    Effect.gen(function*() {
      const elsewhere = yield* scriptedServer((response) => json(response, 200, noExecutors))
      const server = yield* scriptedServer((response) => bare(response, 307, { location: elsewhere.url }))
      const error = yield* list.pipe(
        Effect.provide(
          Layer.provide(
            Basilica.layerHttpClient({ baseUrl: server.url, token: "t", retry: atOnce }),
            FetchHttpClient.layer
          )
        ),
        Effect.flip
      )
      assert.match(error.message, /redirect/)
      assert.lengthOf(elsewhere.received, 0)
    }))

  it.live("lets calls of the user's own use the base URL and the token", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, { balance: "1.00" }))
      const balance = yield* Transport.use(({ client }) => client.get("/billing/balance")).pipe(
        Effect.flatMap((response) => response.json),
        against({ baseUrl: server.url })
      )
      assert.deepStrictEqual(balance, { balance: "1.00" })
      assert.strictEqual(server.received[0]?.url, "/billing/balance")
      assert.strictEqual(server.received[0]?.headers.authorization, "Bearer secret-token-1")
    }))

  describe("on virtual time", () => {
    const scripted = (answers: ReadonlyArray<() => Response>, sent: { count: number }) =>
      Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.sync(() => HttpClientResponse.fromWeb(request, (answers[sent.count++] ?? (() => new Response("")))()))
        )
      )
    const services = (
      answers: ReadonlyArray<() => Response>,
      sent: { count: number },
      options: TransportOptions = {}
    ) =>
      Executors.layer.pipe(
        Layer.provideMerge(Transport.layer({ baseUrl: "https://x.test", ...options })),
        Layer.provide([Auth.layerToken("t"), scripted(answers, sent)])
      )
    const unavailable = (headers: Record<string, string> = {}) => () => new Response("", { status: 503, headers })
    const good = () => Response.json(noExecutors)

    it.effect("waits at most 100 ms and 200 ms between the attempts of its own schedule", () =>
      Effect.gen(function*() {
        const sent = { count: 0 }
        const answers = [unavailable(), unavailable(), good]
        const fiber = yield* Effect.forkChild(list.pipe(Effect.provide(services(answers, sent))), {
          startImmediately: true
        })
        yield* TestClock.adjust("300 millis")
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
        assert.strictEqual(sent.count, 3)
      }))

    it.effect("waits as long as the service asks, up to a minute", () =>
      Effect.gen(function*() {
        const sent = { count: 0 }
        const answers = [unavailable({ "retry-after": "7" }), unavailable({ "retry-after": "86400" }), good]
        const fiber = yield* Effect.forkChild(
          list.pipe(Effect.provide(services(answers, sent, { timeout: "5 minutes" }))),
          { startImmediately: true }
        )
        yield* TestClock.adjust("6900 millis")
        assert.strictEqual(sent.count, 1)
        yield* TestClock.adjust("100 millis")
        assert.strictEqual(sent.count, 2)
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual(sent.count, 2)
        yield* TestClock.adjust("1 second")
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
      }))

    it.effect("reads a wait in seconds, or as a date in one of the forms of HTTP, and nothing else", () =>
      Effect.gen(function*() {
        const said = [
          ["7", 7000],
          ["Thu, 01 Jan 1970 00:00:07 GMT", 7000],
          ["Thursday, 01-Jan-70 00:00:07 GMT", 7000],
          ["Wed, 31 Dec 1969 23:59:53 GMT", 0],
          ["1970-01-01T00:00:07Z", undefined],
          ["soon, or 7", undefined],
          ["7.5", undefined],
          ["-7", undefined]
        ] as const
        for (const [header, millis] of said) {
          const busy = () => new Response("", { status: 429, headers: { "retry-after": header } })
          const post = Transport.use((transport) =>
            transport.request({ operation: "post", method: "POST", path: ["x"], decode: Result.succeed })
          )
          const error = yield* Effect.flip(post.pipe(Effect.provide(services([busy], { count: 0 }))))
          assert.deepInclude(error, { _tag: "RateLimited", retryAfterMillis: millis }, header)
        }
      }))

    it.effect("says what it was to try again after, where that took too long", () =>
      Effect.gen(function*() {
        const busy = () => new Response("", { status: 429, headers: { "retry-after": "7" } })
        const fiber = yield* Effect.forkChild(
          Effect.flip(list.pipe(Effect.provide(services([busy], { count: 0 }, { timeout: "2667 millis" })))),
          { startImmediately: true }
        )
        yield* TestClock.adjust("3 seconds")
        const { message } = yield* Fiber.join(fiber)
        assert.match(
          message,
          /ran out of time after 2\.7 s, while waiting to try again: .*\(429\), and the service asks to wait 7 s\./
        )
      }))

    it.effect("has a schedule whose delays are random, and bounded", () =>
      Effect.gen(function*() {
        const step = yield* Schedule.toStep(defaultRetrySchedule)
        const error = new ApiError({ operation: "x", status: 503, reason: "", retryable: true, outcome: "none" })
        const delays: Array<number> = []
        for (let attempt = 0; attempt < 2; attempt++) {
          const [, delay] = yield* step(0, error)
          delays.push(Duration.toMillis(delay))
        }
        assert.isAtMost(delays[0] ?? Infinity, 100)
        assert.isAtMost(delays[1] ?? Infinity, 200)
        const end = yield* Effect.exit(step(0, error))
        assert.isTrue(Exit.isFailure(end))
      }))
  })

  for (
    const baseUrl of [
      "http://api.basilica.ai",
      "http://localhost.evil",
      "http://127.0.0.1@evil",
      "http://[::ffff:127.0.0.1]",
      "http://127.0.0.1.evil.example",
      "https://user:pass@api.basilica.ai",
      "https://api.basilica.ai?x=1",
      "https://api.basilica.ai#x",
      "ftp://127.0.0.1",
      "javascript:alert(1)",
      "api.basilica.ai",
      ""
    ]
  ) {
    it.effect(`refuses the base URL "${baseUrl}"`, () =>
      Effect.gen(function*() {
        const error = yield* list.pipe(against({ baseUrl }), Effect.flip)
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.notInclude(error.message, "pass@")
      }))
  }

  for (const token of ["", "  ", "a b", "a\nb", "a\0b", "tök", "a\r\nx: y"]) {
    it.effect(`refuses the token ${JSON.stringify(token)} without repeating it`, () =>
      Effect.gen(function*() {
        const error = yield* list.pipe(against({ token }), Effect.flip)
        assert.strictEqual(error._tag, "ConfigurationError")
        if (token.trim() !== "") assert.notInclude(error.message, token)
      }))
  }
})
