/**
 * Every service wired into one Layer.
 */
import * as DefaultHttpClient from "#http-client"
import type * as Config from "effect/Config"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { ConfigurationError } from "./errors/ConfigurationError.ts"
import { ApiKeys } from "./services/ApiKeys.ts"
import { Auth } from "./services/Auth.ts"
import { Deployments, type DeploymentsOptions } from "./services/Deployments.ts"
import { Executors } from "./services/Executors.ts"
import { Health } from "./services/Health.ts"
import { LogStream } from "./services/LogStream.ts"
import { Transport, type TransportOptions } from "./services/Transport.ts"

/** Every service of the SDK. */
export type Services = Auth | Transport | Health | Executors | Deployments | LogStream | ApiKeys

/** Options of {@link layer}. */
export interface BasilicaOptions extends TransportOptions, DeploymentsOptions {
  /** An API key (`basilica_...`) or an access token. Default: none, with which only `Health` answers. */
  readonly token?: string | Redacted.Redacted | undefined
}

/**
 * The services over whatever `Transport` they are given. The layers are made anew by each call: Effect builds one layer
 * once in a program, and two clients with different options must not share their services.
 */
export const layerServices = (
  options: DeploymentsOptions = {}
): Layer.Layer<Exclude<Services, Auth | Transport>, never, Transport> =>
  Deployments.layer(options).pipe(
    Layer.provideMerge(Layer.effect(LogStream, LogStream.make)),
    Layer.merge(Layer.effect(Health, Health.make)),
    Layer.merge(Layer.effect(Executors, Executors.make)),
    Layer.merge(Layer.effect(ApiKeys, ApiKeys.make))
  )

/** {@link layer} over your own `HttpClient`: one with a proxy, a rate limiter, or a recorder. */
export const layerHttpClient = (
  options: BasilicaOptions = {}
): Layer.Layer<Services, ConfigurationError, HttpClient.HttpClient> =>
  layerServices(options).pipe(
    Layer.provideMerge(Transport.layer(options)),
    Layer.provideMerge(options.token === undefined ? Auth.layerNone : Auth.layerToken(options.token))
  )

/**
 * Every service, over the transport that fits the runtime.
 *
 * Fails with `ConfigurationError` where the base URL or the token cannot be used.
 */
export const layer = (options: BasilicaOptions = {}): Layer.Layer<Services, ConfigurationError> =>
  Layer.provide(layerHttpClient(options), DefaultHttpClient.layer)

/** Every service, set up by the environment: `BASILICA_API_URL` and `BASILICA_API_TOKEN`. */
export const layerConfig: Layer.Layer<Services, ConfigurationError | Config.ConfigError> = layerServices().pipe(
  Layer.provideMerge(Transport.layerConfig),
  Layer.provideMerge(Auth.layerConfig),
  Layer.provide(DefaultHttpClient.layer)
)
