import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { FaultScript } from "../faults/FaultScript.ts"
import { type BasilicaServerOptions, routerConfig, routes } from "../server/BasilicaServer.ts"
import { ContainerRuntime, type ContainerSpec } from "../server/ContainerRuntime.ts"
import { IdentityProvider, type LocalSignIn } from "../server/IdentityProvider.ts"
import { type Tenant, Tenants } from "../server/Tenants.ts"
import { TokenSigner } from "../server/TokenSigner.ts"
import { Auth } from "../services/Auth.ts"
import type { DeploymentsOptions } from "../services/Deployments.ts"
import { layerServices, type Services } from "../services/Services.ts"
import { Transport, type TransportOptions } from "../services/Transport.ts"
import { faultyHttpClient } from "./internal/faultyHttpClient.ts"
import * as MemoryRuntime from "./internal/MemoryRuntime.ts"
import * as PlainSigner from "./internal/PlainSigner.ts"
import type { Program } from "./Program.ts"

/** Options of {@link MemoryBasilica.layerServer}. */
export interface MemoryServerOptions extends BasilicaServerOptions {
  /** What the containers do: all the same, or each by what was deployed. Default: they run until they are stopped. */
  readonly program?: Program | ((spec: ContainerSpec) => Program) | undefined
  /** What goes wrong between the clients and the service. Default: nothing. */
  readonly faults?: FaultScript | undefined
}

/** Options of {@link MemoryBasilica.layer}: those of the server, and those of `Basilica.layer` but the address. */
export interface MemoryBasilicaOptions
  extends MemoryServerOptions, Omit<TransportOptions, "baseUrl">, DeploymentsOptions
{}

/**
 * A whole Basilica in memory, for tests: the services are the real ones, and so are the routes that answer them, with
 * the service's own statuses, bodies and log format. No network, no process and no waiting: time is the `Clock`, so with
 * `TestClock` ten minutes pass in milliseconds.
 *
 * Every layer that is built has a world of its own. Ids and tokens are the same in each that is built at the same time of
 * the `Clock`; their signatures protect nothing. Which machine the service
 * chooses is left to `Random`. A defect inside, such as a `program` that throws, becomes a defect of the call.
 *
 * @example
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import { Deployments } from "basilica-sdk"
 * import { MemoryBasilica } from "basilica-sdk/testing"
 * import * as Effect from "effect/Effect"
 * import * as Fiber from "effect/Fiber"
 * import * as TestClock from "effect/testing/TestClock"
 *
 * it.effect("trains for ten minutes and leaves nothing running", () =>
 *   Effect.gen(function*() {
 *     const deployments = yield* Deployments
 *     const train = Effect.gen(function*() {
 *       const { id } = yield* deployments.scoped({ gpu: {}, image: "acme/train:1", noSsh: true })
 *       return yield* deployments.waitUntilRunning(id)
 *     })
 *     const training = yield* Effect.forkChild(Effect.scoped(train))
 *     yield* TestClock.adjust("10 minutes")
 *     assert.strictEqual((yield* Fiber.join(training)).status._tag, "Running")
 *     assert.deepStrictEqual(yield* MemoryBasilica.use((memory) => memory.running), [])
 *   }).pipe(Effect.provide(MemoryBasilica.layer({ program: { startsAfter: "10 minutes" } }))))
 * ```
 */
export class MemoryBasilica extends Context.Service<MemoryBasilica, {
  /** The base URL for clients of your own. The address does not exist: `httpClient` alone leads there. */
  readonly url: string
  /** The token of the first tenant, which the services of `MemoryBasilica.layer` use. */
  readonly token: Redacted.Redacted
  /** The options of the SDK to sign in here, over `httpClient`. */
  readonly signIn: LocalSignIn
  /** Those who have a token; they see nothing of each other. */
  readonly tenants: ReadonlyArray<Tenant>
  /**
   * Everything that the service was ever told to start, of all tenants, oldest first: that a deploy was sent once is
   * that there is one. What the service refuses is not among it.
   */
  readonly creates: Effect.Effect<ReadonlyArray<ContainerSpec>>
  /** What holds a machine now, of all tenants, oldest first, with what is just being started. */
  readonly running: Effect.Effect<ReadonlyArray<ContainerSpec>>
  /** Leads to the service, for clients of your own. */
  readonly httpClient: HttpClient.HttpClient
}>()("basilica-sdk/testing/MemoryBasilica") {
  /** Every service of the SDK over a Basilica in memory, and {@link MemoryBasilica} to look at it. */
  static readonly layer = (options: MemoryBasilicaOptions = {}): Layer.Layer<MemoryBasilica | Services> =>
    hurryAtEnd().pipe(
      Layer.provideMerge(services(options)),
      Layer.provideMerge(layerWorld(options))
    )

  /**
   * The Basilica in memory alone, for clients of your own: several tenants, or something between client and service.
   *
   * @example
   * ```ts
   * import { Basilica } from "basilica-sdk"
   * import { MemoryBasilica } from "basilica-sdk/testing"
   * import * as Effect from "effect/Effect"
   * import * as HttpClient from "effect/http/HttpClient"
   * import * as Layer from "effect/Layer"
   *
   * const counted = Layer.unwrap(MemoryBasilica.use(({ httpClient, token, url }) => {
   *   const http = HttpClient.tapRequest(httpClient, ({ method, url }) => Effect.log(method, url))
   *   return Effect.succeed(
   *     Basilica.layerHttpClient({ baseUrl: url, token }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, http)))
   *   )
   * })).pipe(Layer.provideMerge(MemoryBasilica.layerServer()))
   * ```
   */
  static readonly layerServer = (options: MemoryServerOptions = {}): Layer.Layer<MemoryBasilica> => layerWorld(options)
}

/** What the end of the layer needs, and nobody else. */
class Hurry extends Context.Service<Hurry, Effect.Effect<void>>()("basilica-sdk/testing/MemoryBasilica/Hurry") {}

/**
 * The services wait at their end for a deploy that was interrupted and is still under way. A test that ends has nobody to
 * move the time for that any more, so then it takes none. Made for each world: a constant layer is built once in a program.
 */
const hurryAtEnd = () => Layer.effectDiscard(Effect.flatMap(Hurry, (hurry) => Effect.addFinalizer(() => hurry)))

const url = "https://basilica.test"

const services = (options: MemoryBasilicaOptions): Layer.Layer<Services, never, MemoryBasilica> =>
  layerServices(options).pipe(
    Layer.provideMerge(Transport.layer({ ...options, baseUrl: url })),
    Layer.provideMerge(Layer.unwrap(MemoryBasilica.useSync(({ token }) => Auth.layerToken(token)))),
    Layer.provide(Layer.effect(HttpClient.HttpClient, MemoryBasilica.useSync(({ httpClient }) => httpClient))),
    Layer.orDie
  )

const layerWorld = (options: MemoryServerOptions): Layer.Layer<MemoryBasilica | Hurry> =>
  Layer.effectContext(Effect.gen(function*() {
    const { program = {} } = options
    const memory = MemoryRuntime.make(typeof program === "function" ? program : () => program)
    const server = yield* Layer.build(Layer.fresh(
      routes({ ...options, url }).pipe(
        Layer.provideMerge(HttpRouter.layer),
        Layer.provide(Layer.succeed(HttpRouter.RouterConfig, routerConfig)),
        Layer.provide(Layer.succeed(ContainerRuntime, memory.runtime)),
        Layer.provide(Layer.succeed(TokenSigner, PlainSigner.make())),
        Layer.provide(Layer.sync(SecureRandom.SecureRandom, predictable))
      )
    ))
    const { tenants } = Context.get(server, Tenants)
    const [first] = tenants
    if (first === undefined) return yield* Effect.die(new Error("MemoryBasilica: tenants is 0; allowed: 1 or more"))
    const httpClient = connect(Context.get(server, HttpRouter.HttpRouter))
    return Context.make(
      MemoryBasilica,
      MemoryBasilica.of({
        url,
        token: first.token,
        signIn: Context.get(server, IdentityProvider).signIn,
        tenants,
        creates: memory.creates,
        running: memory.running,
        httpClient: options.faults === undefined ? httpClient : faultyHttpClient(httpClient, options.faults)
      })
    ).pipe(Context.add(Hurry, memory.hurry))
  }))

/**
 * A client whose requests are answered here. As over a network, the service has a fiber of its own for each request: a
 * client that goes away does not wait for it, and does not stop what it has begun. A defect of it is one of the client's.
 */
const connect = (router: HttpRouter.HttpRouter): HttpClient.HttpClient => {
  const app = router.asHttpEffect()
  return HttpClient.make(Effect.fnUntraced(function*(request) {
    let reply: HttpClientResponse.HttpClientResponse | undefined
    const answering = yield* HttpEffect.toHandled(app, (_, response) =>
      Effect.sync(() => {
        reply = HttpServerResponse.toClientResponse(HttpEffect.scopeTransferToStream(response), { request })
      })).pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
        Effect.withTracerEnabled(false),
        Effect.forkDetach({ startImmediately: true })
      )
    yield* Fiber.join(answering)
    return reply ?? (yield* Effect.die(new Error(`MemoryBasilica: ${request.method} ${request.url} got no answer`)))
  }))
}

/** Counts where others are random: no two values are the same, and each run has the same ones. */
const predictable = (): SecureRandom.SecureRandom["Service"] => {
  let count = 0
  return SecureRandom.make((size) => {
    const bytes = new Uint8Array(size)
    new DataView(bytes.buffer).setUint32(size - 4, ++count)
    return bytes
  })
}
