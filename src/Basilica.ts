/**
 * Every service wired into one Layer.
 */
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { ConfigurationError } from "./errors/ConfigurationError.ts"
import type { SignInOptions } from "./schema/SignInOptions.ts"
import { Auth } from "./services/Auth.ts"
import { optionsReader } from "./services/ClientOptions.ts"
import * as DefaultHttpClient from "./services/DefaultHttpClient.ts"
import type { DeploymentsOptions } from "./services/Deployments.ts"
import { invalid } from "./services/Input.ts"
import { layerServices, type Services } from "./services/Services.ts"
import type { TokenStore } from "./services/TokenStore.ts"
import { Transport, type TransportOptions } from "./services/Transport.ts"

export { layerServices, type Services }

/** Options of {@link layer}. */
export interface BasilicaOptions extends TransportOptions, DeploymentsOptions {
  /** An API key (`basilica_...`) or an access token. Default: that of `auth`. */
  readonly token?: string | Redacted.Redacted | undefined
  /**
   * Renews the access token given as `token`, before it expires and when the service refuses it. A
   * refresh token works once: do not share it between programs. An API key needs none.
   */
  readonly refreshToken?: string | Redacted.Redacted | undefined
  /** The sign-in service and client that issued the token. Default: Basilica's. */
  readonly signIn?: SignInOptions | undefined
  /**
   * Where tokens come from if not from `token`: a layer of `Auth`, such as `Auth.layerFile`, or one of your own. Default:
   * none, with which only `Health` answers.
   */
  readonly auth?: Layer.Layer<Auth, ConfigurationError, HttpClient.HttpClient> | undefined
}

/** {@link layer} over your own `HttpClient`: one with a proxy, a rate limiter, or a recorder. */
export const layerHttpClient = (
  options: BasilicaOptions = {}
): Layer.Layer<Services, ConfigurationError, HttpClient.HttpClient> =>
  Layer.unwrap(Effect.as(
    readOptions(options),
    layerServices(options).pipe(
      Layer.provideMerge(Transport.layer(options)),
      Layer.provideMerge(layerAuth(options))
    )
  ))

const readOptions = optionsReader("Basilica", [
  "baseUrl",
  "token",
  "refreshToken",
  "signIn",
  "auth",
  "timeout",
  "deployTimeout",
  "retry",
  "maxBodyBytes"
])

const layerAuth = (
  { auth = Auth.layerNone, refreshToken, signIn, token }: BasilicaOptions
): Layer.Layer<Auth, ConfigurationError, HttpClient.HttpClient> => {
  if (refreshToken === undefined) return token === undefined ? auth : Auth.layerToken(token)
  if (token !== undefined) return Auth.layerTokens({ ...signIn, accessToken: token, refreshToken })
  const problem = "stands alone; allowed: beside token, the access token that it renews"
  return Layer.effect(Auth, invalid("Basilica", "refreshToken", problem))
}

/**
 * Every service, over the transport that fits the runtime.
 *
 * Fails with `ConfigurationError` where the base URL or the token cannot be used, or an option has another name.
 */
export const layer = (options: BasilicaOptions = {}): Layer.Layer<Services, ConfigurationError> =>
  Layer.provide(layerHttpClient(options), DefaultHttpClient.layer)

/**
 * Every service, set up by the environment: `BASILICA_API_URL`, `BASILICA_API_TOKEN`, and `BASILICA_REFRESH_TOKEN` where the
 * token is to be renewed. It is built once in a program, as every layer is that is one value: for a second account use
 * `layer({ token })`, or `Layer.fresh`.
 */
export const layerConfig: Layer.Layer<Services, ConfigurationError | Config.ConfigError> = layerServices().pipe(
  Layer.provideMerge(Transport.layerConfig),
  Layer.provideMerge(Auth.layerConfig),
  Layer.provide(DefaultHttpClient.layer)
)

/**
 * As {@link layerConfig}, and where the environment has no token, with the sign-in that a `TokenStore` keeps: on Node
 * `Layer.provide(Basilica.layerConfigOrFile, TokenFile.layer())`.
 */
export const layerConfigOrFile: Layer.Layer<Services, ConfigurationError | Config.ConfigError, TokenStore> =
  layerServices().pipe(
    Layer.provideMerge(Transport.layerConfig),
    Layer.provideMerge(Auth.layerConfigOrFile),
    Layer.provide(DefaultHttpClient.layer)
  )
