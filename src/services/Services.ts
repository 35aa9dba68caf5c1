import * as Layer from "effect/Layer"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { ApiKeys } from "./ApiKeys.ts"
import type { Auth } from "./Auth.ts"
import { Deployments, type DeploymentsOptions } from "./Deployments.ts"
import { Executors } from "./Executors.ts"
import { Health } from "./Health.ts"
import { LogStream } from "./LogStream.ts"
import type { Transport } from "./Transport.ts"

/** Every service of the SDK. */
export type Services = Auth | Transport | Health | Executors | Deployments | LogStream | ApiKeys

/**
 * The services over whatever `Transport` they are given. Fresh, because Effect builds one layer once in a program, and
 * two clients with different options must not share their services.
 */
export const layerServices = (
  options: DeploymentsOptions = {}
): Layer.Layer<Exclude<Services, Auth | Transport>, ConfigurationError, Transport> =>
  Layer.provideMerge(
    Deployments.layer(options),
    Layer.fresh(Layer.mergeAll(LogStream.layer, Health.layer, Executors.layer, ApiKeys.layer))
  )
