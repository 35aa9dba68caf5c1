import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as FindMyWay from "effect/http/FindMyWay"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { BasilicaApi } from "./BasilicaApi.ts"
import { type CatalogExecutor, defaultExecutors } from "./ExecutorCatalog.ts"
import * as Gates from "./Gates.ts"
import * as Handlers from "./Handlers.ts"
import { IdentityProvider, type IdentityProviderOptions } from "./IdentityProvider.ts"
import * as Refusals from "./Refusals.ts"
import { Rentals } from "./Rentals.ts"
import * as SignInRoutes from "./SignInRoutes.ts"
import { Tenants } from "./Tenants.ts"

/** What the server can be told. */
export interface BasilicaServerOptions extends IdentityProviderOptions {
  /** The machines to rent. Default: six, with and without GPUs. */
  readonly executors?: ReadonlyArray<CatalogExecutor> | undefined
  /** How many tenants there are, each with a token of its own. Default: 2. */
  readonly tenants?: number | undefined
  /**
   * The longest that an answer takes, as at the service: after it a bare 408, while a deploy or a stop goes on behind it,
   * and a log stream is cut with an event that says so. Default: 15 minutes.
   */
  readonly requestTimeout?: Duration.Input | undefined
}

/** How paths are matched: letter for letter, as the service does. For `HttpRouter.serve` and its like. */
export const routerConfig: Partial<FindMyWay.RouterConfig> = {
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false,
  // An id that is too long to be one is none that is known, as any other.
  maxParamLength: Infinity
}

/** Whatever is no route is a bare 403 to those who are known, and 401 to others. */
const unmapped = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const tenants = yield* Tenants
  yield* router.add("*", "/*", ({ headers }) =>
    tenants.authenticate(headers["authorization"]).pipe(
      Effect.andThen(Effect.fail(Refusals.empty(403))),
      Refusals.respond
    ))
}))

/**
 * The whole API as routes, with `/openapi.json` and the routes of the sign-in service beside them, over whatever runs the
 * containers. It needs no particular platform: time is the `Clock`, chance is `Random` and `SecureRandom`, and state is in
 * memory. `url` is where it is reached, which its tokens name as their issuer.
 */
export const routes = ({ url, ...options }: BasilicaServerOptions & { readonly url: string }) => {
  const requestTimeout = options.requestTimeout ?? "15 minutes"
  return Layer.mergeAll(
    HttpApiBuilder.layer(BasilicaApi, { openapiPath: "/openapi.json" }),
    SignInRoutes.layer,
    unmapped
  ).pipe(
    Layer.provide([
      Handlers.health,
      Handlers.executors,
      Handlers.rentals({ requestTimeout }),
      Handlers.apiKeys
    ]),
    Layer.provide([
      Gates.Authenticated.layer({ requestTimeout }),
      Gates.FrameworkRefusals.layer,
      Gates.Human.layer,
      Gates.Owned.layer
    ]),
    Layer.provideMerge(Rentals.layer({ executors: options.executors ?? defaultExecutors })),
    Layer.provideMerge(Tenants.layer),
    Layer.provideMerge(IdentityProvider.layer({
      ...options,
      url,
      people: Array.from({ length: options.tenants ?? 2 }, (_, index) => `tenant-${index + 1}`)
    })),
    Layer.provide(HttpServer.layerServices)
  )
}
