import { assert, describe, it } from "@effect/vitest"
import { ApiKeys, type Basilica, Deployments, Executors, Transport } from "basilica-sdk"
import { Cause, Effect, Exit, Layer, Redacted, Result, Stream } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import * as fc from "fast-check"
import { AuthenticationError } from "../../src/errors/AuthenticationError.ts"
import { Auth } from "../../src/services/Auth.ts"
import { holdsLater, patience, seed, times } from "../support/Scale.ts"
import { json, rental, rentalId, rentalItem, scriptedServer, started } from "../support/ScriptedServer.ts"
import { config, executorItem, goodReply, over, transports } from "./Victim.ts"

/** Text that might leave its place in a URL. */
const hostileId = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom(".", "/", "\\", "%", "2", "e", "E", "f", "?", "#", ":", "@", ";", "a", "\t", "\n")
  }),
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/),
  fc.stringMatching(/^[A-Za-z0-9_-]{120,140}$/),
  fc.constantFrom(
    "",
    ".",
    "..",
    "../api-keys/prod",
    "..%2fapi-keys",
    "%2e%2e",
    "%2E.",
    "..\\..",
    "a/b",
    "a%00",
    "\ud800",
    "a?x=1",
    "a#b",
    "a\n",
    "a\r\nHost: x",
    "constructor",
    "__proto__",
    "ａｂｃ",
    "a\u202eb"
  ),
  fc.tuple(fc.constantFrom("rental-", "", "../", "./"), fc.uuid(), fc.constantFrom("", "/..", "/logs", "%", "\n", " "))
    .map((parts) => parts.join(""))
)

/** The calls that put an id into a path, and where it stands there. */
const uses: ReadonlyArray<
  readonly [string, (id: string) => Effect.Effect<unknown, { readonly _tag: string }, Basilica.Services>]
> = [
  ["/rentals/{}", (id) => Deployments.use((_) => _.get(id))],
  ["/rentals/{}", (id) => Deployments.use((_) => _.status(id))],
  ["/rentals/{}", (id) => Deployments.use((_) => _.stop(id))],
  ["/rentals/{}", (id) => Deployments.use((_) => _.waitUntilRunning(id))],
  ["/rentals/{}", (id) => Stream.runHead(Stream.unwrap(Deployments.useSync((_) => _.watch(id))))],
  ["/rentals/{}/logs", (id) => Stream.runDrain(Stream.unwrap(Deployments.useSync((_) => _.logs(id))))],
  ["/executors", (id) => Executors.use((_) => _.get(id))],
  ["/rentals", (executorId) => Deployments.use((_) => _.deploy({ ...config, executorId }))],
  ["/api-keys", (name) => ApiKeys.use((_) => _.create(name))],
  ["/api-keys/{}", (name) => ApiKeys.use((_) => _.revoke(name))]
]

describe("an id", () => {
  it.live(`is refused here, or is exactly one segment on the wire (seed ${seed})`, () =>
    Effect.gen(function*() {
      const paths: Array<string> = []
      const context = yield* Layer.build(over((method, path, url) => {
        paths.push(path)
        assert.deepStrictEqual([url.origin, url.hash, url.username], ["https://x.test", "", ""])
        return /\/rentals\/[^/]+$/.test(path) && method === "GET"
          ? Response.json({ ...rental("active"), rental_id: decodeURIComponent(path.slice("/rentals/".length)) })
          : goodReply(method, path)
      }))
      yield* Effect.promise(() =>
        holdsLater(fc.tuple(hostileId, fc.nat({ max: uses.length - 1 })), times(100_000), async ([id, index]) => {
          paths.length = 0
          const [pattern, use] = uses[index] ?? assert.fail("no such use")
          const exit = await Effect.runPromiseExit(Effect.provide(use(id), context))
          if (Exit.isFailure(exit)) {
            const error = Cause.squash(exit.cause) as { readonly _tag?: string }
            assert.isFalse(Cause.hasDies(exit.cause))
            if (error._tag === "ConfigurationError") return assert.deepStrictEqual(paths, [])
          }
          assert.match(id, /^[A-Za-z0-9_-]{1,128}$/)
          const own = pattern.replace("{}", id)
          assert.include(paths, own)
          for (const path of paths) assert.include([own, "/rentals", "/executors"], path)
        })
      )
    }), patience)

  for (const id of ["../x", "..", ".", "", "a/b", "a b", "\u001b[31m", "a".repeat(129), "a?b", "%2e%2e", "\ud800"]) {
    it.live(`that comes from the service as ${JSON.stringify(id).slice(0, 20)} is not handed out as one`, () =>
      Effect.gen(function*() {
        const paths: Array<string> = []
        const layer = over((method, path) => {
          paths.push(path)
          if (method === "POST") return Response.json({ ...started, rental_id: id })
          if (path === "/executors") return Response.json({ available_executors: [executorItem(id)], total_count: 1 })
          const item = rentalItem("Active", { rental_id: id })
          if (path === "/rentals") return Response.json({ rentals: [item], total_count: 1 })
          return Response.json({ ...rental("active"), rental_id: id })
        }, { deployTimeout: "20 millis" })
        yield* Effect.gen(function*() {
          const deployments = yield* Deployments
          const executors = yield* (yield* Executors).listAvailable()
          assert.deepStrictEqual([executors.items.length, executors.invalid.length], [0, 1])
          const listed = yield* deployments.list()
          assert.deepStrictEqual([listed.items.length, listed.invalid.length], [0, 1])
          assert.strictEqual((yield* Effect.flip(deployments.get(rentalId)))._tag, "InvalidResponse")
          const error = yield* Effect.flip(deployments.deploy(config))
          assert.deepInclude(error, { _tag: "DeployOutcomeUnknown", candidates: [] })
        }).pipe(Effect.provide(layer))
        for (const path of paths) assert.include(["/rentals", "/executors", `/rentals/${rentalId}`], path)
      }))
  }

  it.live("that appears in the list after a lost reply leads nowhere else", () =>
    Effect.gen(function*() {
      const paths: Array<string> = []
      let posted = false
      const layer = over((method, path) => {
        paths.push(path)
        if (method === "POST") {
          posted = true
          return new Response("", { status: 502 })
        }
        const rentals = posted ? [rentalItem("Active", { rental_id: "..", container_image: config.image })] : []
        return Response.json({ rentals, total_count: rentals.length })
      }, { deployTimeout: "20 millis" })
      const error = yield* Effect.flip(Deployments.use((_) => _.deploy(config))).pipe(Effect.provide(layer))
      assert.strictEqual(error._tag, "DeployOutcomeUnknown")
      assert.deepStrictEqual([...new Set(paths)], ["/rentals"])
    }))

  it.live("in a call of the user's own cannot leave its segment either", () =>
    Effect.gen(function*() {
      let sent = 0
      const layer = over(() => {
        sent++
        return Response.json({})
      })
      for (const segment of ["..", ".", "", "\ud800"]) {
        const exit = yield* Effect.exit(
          Transport.use((transport) =>
            transport.request({
              operation: "own",
              method: "DELETE",
              path: ["rentals", segment],
              decode: Result.succeed
            })
          ).pipe(Effect.provide(layer))
        )
        assert.isTrue(Exit.isFailure(exit))
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.deepInclude(error, { _tag: "ConfigurationError" }, JSON.stringify(segment))
      }
      assert.strictEqual(sent, 0)
    }))

  it.live(`or any text in a query stays there (seed ${seed})`, () =>
    Effect.gen(function*() {
      const seen: Array<URL> = []
      const context = yield* Layer.build(over((method, path, url) => {
        seen.push(url)
        return goodReply(method, path)
      }))
      yield* Effect.promise(() =>
        holdsLater(fc.tuple(hostileId, hostileId), times(5000), async ([gpuType, city]) => {
          seen.length = 0
          const exit = await Effect.runPromiseExit(
            Effect.provide(Executors.use((_) => _.listAvailable({ gpuType, city })), context)
          )
          if (Exit.isFailure(exit)) {
            assert.strictEqual((Cause.squash(exit.cause) as { readonly _tag?: string })._tag, "ConfigurationError")
            return assert.isEmpty(seen)
          }
          const [url = assert.fail("nothing was sent")] = seen
          assert.strictEqual(url.pathname, "/executors")
          const wellFormed = (text: string) => text.replace(/\p{Cs}/gu, "\ufffd")
          assert.deepStrictEqual([...url.searchParams], [
            ["gpu_type", wellFormed(gpuType)],
            ["location_city", wellFormed(city)]
          ])
        })
      )
    }), patience)
})

describe("a bearer value", () => {
  const bad = fc.oneof(
    fc.string({ unit: "binary", minLength: 1 }),
    fc.constantFrom(
      "canary\nvalue",
      "canary\r\nx: y",
      "canary\0",
      "can ary",
      "canäry",
      "canary\u2028",
      "\u001bcanary",
      ""
    )
  ).filter((value) => !/^[\x21-\x7e]+$/.test(value))

  it(`that is not printable goes nowhere, whoever gave it, and is not repeated (seed ${seed})`, async () => {
    let sent = 0
    const http = HttpClient.make((request) =>
      Effect.sync(() => {
        sent++
        return HttpClientResponse.fromWeb(request, Response.json([]))
      })
    )
    await holdsLater(bad, times(10_000), async (value) => {
      const auth = Auth.of({ token: Effect.succeed(Redacted.make(value)), invalidate: () => Effect.void })
      const services = ApiKeys.layer.pipe(
        Layer.provideMerge(Transport.layer({ baseUrl: "https://x.test" })),
        Layer.provide([Layer.succeed(Auth, auth), Layer.succeed(HttpClient.HttpClient, http)])
      )
      const calls = Effect.all([
        Effect.flip(ApiKeys.use((_) => _.list)),
        Effect.flip(Transport.use((_) => _.client.get("/x")))
      ])
      for (const error of await Effect.runPromise(Effect.provide(calls, services))) {
        assert.instanceOf(error, AuthenticationError)
        if (value.length > 4) assert.notInclude(error.message + (error.stack ?? ""), value)
      }
    })
    assert.strictEqual(sent, 0)
  }, patience)

  it.live("that is very long breaks nothing", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, []))
      for (const [, transport] of transports) {
        const exit = yield* Effect.exit(
          Effect.provide(
            ApiKeys.use((_) => _.list),
            transport({ baseUrl: server.url, token: "x".repeat(1_000_000), timeout: "2 seconds" })
          )
        )
        assert.isTrue(Exit.isFailure(exit) && !Cause.hasDies(exit.cause))
      }
    }))
})
