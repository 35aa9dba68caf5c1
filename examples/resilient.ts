// Effect's own rate limiter and circuit breaker around the transport: at most 10 requests a second leave, and once the
// service has failed five times in a row, nothing is sent for 5 seconds.
//
//   npx node --conditions=basilica-sdk-source examples/resilient.ts   in the repository
//   node examples/resilient.ts   in a copy of this folder, beside an installed basilica-sdk
//
// It asks a Basilica in memory that is down, and looks at what was sent. No account is needed, and nothing leaves.
import { Basilica, Deployments, Health } from "basilica-sdk"
import { FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest } from "effect/http"
import { CircuitBreaker, RateLimiter } from "effect/persistence"
import assert from "node:assert/strict"

/** What was held back here never left: the SDK knows these two causes, and says so in its error. */
const heldBack = (request: HttpClientRequest.HttpClientRequest) => (cause: { readonly message: string }) =>
  Effect.fail(
    new HttpClientError.HttpClientError({
      reason: new HttpClientError.TransportError({ request, description: cause.message, cause })
    })
  )

/** A client around yours, for all requests of the SDK. */
const resilient = Effect.fnUntraced(function*(client: HttpClient.HttpClient) {
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(5),
    openDuration: "5 seconds"
  })
  const guarded = client.pipe(
    HttpClient.withRateLimiter({
      limiter: yield* RateLimiter.RateLimiter,
      key: "basilica",
      limit: 10,
      window: "1 second",
      // The SDK decides what is sent again: never a create.
      times: 0
    }),
    HttpClient.withCircuitBreaker({ breaker })
  )
  return HttpClient.make((request) =>
    guarded.execute(request).pipe(
      Effect.catchTags({ CircuitBreakerError: heldBack(request), RateLimiterError: heldBack(request) })
    )
  )
})

const limits = Layer.merge(
  CircuitBreaker.layerStoreMemory(),
  RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))
)

const faults = new FaultScript([{ fault: { after: "body", reply: { status: 503 } } }])

const services = Layer.unwrap(
  MemoryBasilica.useSync(({ httpClient, token, url }) =>
    Basilica.layerHttpClient({ baseUrl: url, token }).pipe(
      Layer.provide(Layer.effect(HttpClient.HttpClient, resilient(httpClient)))
    )
  )
).pipe(Layer.provide([MemoryBasilica.layerServer({ faults }), limits]))

const program = Effect.gen(function*() {
  const health = yield* Health
  const deployments = yield* Deployments

  for (let count = 0; count < 20; count++) yield* Effect.ignore(health.check)
  console.log(`20 calls of a dead service, each with up to 3 attempts, sent ${faults.requests.length} requests.`)
  assert.equal(faults.requests.length, 5)

  const error = yield* Effect.flip(deployments.deploy({ gpu: {}, image: "acme/train:1", noSsh: true }))
  console.log(error.message)
  assert.equal(error._tag, "NetworkError")
  assert.equal(error.outcome, "none")

  faults.clear()
  yield* Effect.sleep("5 seconds")
  const { status } = yield* health.check
  console.log(`Five seconds later the service is ${status}.`)
})

await Effect.runPromise(Effect.provide(program, services))
