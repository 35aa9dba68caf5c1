import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiSwagger from "effect/http-api/HttpApiSwagger"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as FileSystem from "node:fs/promises"
import * as Http from "node:http"
import * as OperatingSystem from "node:os"
import * as Path from "node:path"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { BasilicaApi } from "../server/BasilicaApi.ts"
import * as BasilicaServer from "../server/BasilicaServer.ts"
import { IdentityProvider, type LocalSignIn } from "../server/IdentityProvider.ts"
import { Rentals } from "../server/Rentals.ts"
import { type Tenant, Tenants } from "../server/Tenants.ts"
import { TokenSigner } from "../server/TokenSigner.ts"
import * as Input from "../services/Input.ts"
import * as Guard from "./Guard.ts"
import { loopback } from "./PortForward.ts"
import * as ProcessRuntime from "./ProcessRuntime.ts"

/** What a local Basilica can be told. */
export interface LocalBasilicaOptions extends BasilicaServer.BasilicaServerOptions {
  /** The port to listen on, on the loopback alone. Default: 0, any that is free. */
  readonly port?: number | undefined
  /**
   * Where rentals have their logs and working directories; made where it is missing. What a rental has there goes when it
   * is stopped through the API, and stays when the server ends. Default: a temporary one that is removed at the end.
   */
  readonly directory?: string | undefined
  /** The origins of web pages that may use the server, such as `http://localhost:5173`. Default: none. */
  readonly cors?: ReadonlyArray<string> | undefined
  /** How long a command may take to end when its rental is stopped, before it is forced to. Default: 10 seconds. */
  readonly stopGrace?: Duration.Input | undefined
}

/** A rental whose process runs. */
export interface RunningRental {
  readonly id: string
  /** The name of the tenant whose it is. */
  readonly tenant: string
  readonly executorId: string
  readonly image: string
}

/**
 * A Basilica on this machine: the same API on the loopback, where a deployment's command runs as a process, with the
 * environment that it is given and a directory of its own.
 *
 * A process is no container. The image, the limits and the volumes are recorded and have no effect; without a command it
 * idles. It listens on its container ports itself, on the loopback, and host ports lead there; UDP has no other host
 * port than its own. SSH is named and answers nothing. A process that leaves its group (`setsid`) is not stopped. A
 * command that ends by itself shows at once, where the service looks every 30 seconds. Linux and macOS only.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { LocalBasilica } from "basilica-sdk/local"
 *
 * const program = LocalBasilica.use(({ url, token }) => Effect.log(url, token))
 * Effect.runPromise(Effect.provide(program, LocalBasilica.layer()))
 * ```
 */
export class LocalBasilica extends Context.Service<LocalBasilica, {
  /** Such as `http://127.0.0.1:41234`, without a slash at the end. */
  readonly url: string
  /** The token of the first tenant, new at each start. */
  readonly token: Redacted.Redacted
  /** The options of the SDK to sign in here: for `Auth.deviceLogin`, and for whoever renews a sign-in. */
  readonly signIn: LocalSignIn
  /** Those who may use the server, who see nothing of each other's rentals. */
  readonly tenants: ReadonlyArray<Tenant>
  /** What still runs, of all tenants: to prove that a program has left nothing behind. */
  readonly running: Effect.Effect<ReadonlyArray<RunningRental>>
}>()("basilica-sdk/local/LocalBasilica") {
  /** A server that runs for as long as the layer does. At its end every rental is stopped. */
  static readonly layer = (options: LocalBasilicaOptions = {}): Layer.Layer<LocalBasilica, ConfigurationError> =>
    Layer.unwrap(
      Effect.map(
        Effect.andThen(checkOrigins(options.cors ?? []), directory(options.directory)),
        (path) =>
          Layer.effect(LocalBasilica, make).pipe(
            Layer.provide(Layer.unwrap(HttpServer.HttpServer.useSync(({ address }) =>
              HttpRouter.serve(
                Layer.mergeAll(
                  BasilicaServer.routes({ ...options, url: HttpServer.formatAddress(address) }),
                  docs,
                  Guard.layer({ cors: options.cors ?? [] })
                ),
                { disableLogger: true, disableListenLog: true, routerConfig: BasilicaServer.routerConfig }
              )
            ))),
            Layer.provide([
              server(options.port ?? 0),
              ProcessRuntime.layer({ directory: path, stopGrace: options.stopGrace }),
              Layer.provideMerge(TokenSigner.layerRsa, SecureRandom.layerWebCrypto)
            ])
          )
      )
    )
}

const make = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  const rentals = yield* Rentals
  const { tenants } = yield* Tenants
  const { signIn } = yield* IdentityProvider
  const [first] = tenants
  if (first === undefined) return yield* invalid("tenants", "is 0; allowed: 1 or more")
  // Before the server goes, so that those who follow a log see it end.
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(
      rentals.running,
      (list) =>
        Effect.forEach(list, (rental) => Effect.ignore(rental.container.stop, { log: "Error" }), {
          concurrency: "unbounded",
          discard: true
        })
    )
  )
  return LocalBasilica.of({
    url: HttpServer.formatAddress(address),
    token: first.token,
    signIn,
    tenants,
    running: Effect.map(
      rentals.running,
      (list) => list.map(({ executor, id, image, tenant }) => ({ id, tenant, executorId: executor.id, image }))
    )
  })
})

const invalid = (field: string, problem: string) => Input.invalid("LocalBasilica.layer", field, problem)

/** What a browser never says of a page lets no page in. */
const checkOrigins = (origins: ReadonlyArray<string>): Effect.Effect<void, ConfigurationError> => {
  const wrong = origins.findIndex((origin) => !isOrigin(origin))
  return wrong === -1
    ? Effect.void
    : invalid(`cors[${wrong}]`, "is no origin; allowed: one such as http://localhost:5173")
}

const isOrigin = (text: string): boolean =>
  URL.canParse(text) &&
  (/^https?:/.test(text) ? new URL(text).origin === text : /^[a-z][\w+.-]*:\/\/[^\s/?#@]+$/.test(text))

const server = (port: number) =>
  Layer.effect(
    HttpServer.HttpServer,
    Effect.gen(function*() {
      const node = Http.createServer()
      const made = yield* NodeHttpServer.make(() => node, {
        port,
        host: loopback,
        gracefulShutdownTimeout: "1 second"
      })
      // A client that never finishes its request must not hold up the end.
      yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
      return made
    })
  ).pipe(Layer.catch(({ cause }) =>
    Layer.effect(
      HttpServer.HttpServer,
      invalid("port", `cannot be listened on (${String(cause)}); allowed: 0 for any, or a port that is free`)
    )
  ))

/** The page at `/docs`. It has all that it needs in it, and the browser is told to load nothing from elsewhere. */
const docs = HttpApiSwagger.layer(BasilicaApi, { path: "/docs" }).pipe(
  Layer.provide(
    HttpRouter.middleware((handler) =>
      Effect.map(
        handler,
        HttpServerResponse.setHeader(
          "content-security-policy",
          "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"
        )
      )
    ).layer
  )
)

const directory = (path: string | undefined) =>
  path === undefined
    ? Effect.acquireRelease(
      Effect.promise(() => FileSystem.mkdtemp(Path.join(OperatingSystem.tmpdir(), "basilica-local-"))),
      (made) => Effect.promise(() => FileSystem.rm(made, { recursive: true, force: true }))
    )
    : Effect.tryPromise(() => FileSystem.mkdir(path, { recursive: true, mode: 0o700 })).pipe(
      Effect.catch(({ cause }) =>
        invalid("directory", `cannot be made (${String(cause)}); allowed: one that can be written`)
      ),
      Effect.as(Path.resolve(path))
    )
