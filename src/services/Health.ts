/**
 * Whether the service answers.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { HealthStatus } from "../schema/HealthStatus.ts"
import { HealthReply } from "../schema/wire/Health.ts"
import { method } from "./internal/tracing.ts"
import { decodeWith, type PublicCallError, Transport } from "./Transport.ts"

/** Whether the service answers. */
export class Health extends Context.Service<Health, {
  /** Asks the service how it is. Needs no token. Today's service always says `healthy`: it proves that it answers. */
  readonly check: Effect.Effect<HealthStatus, PublicCallError>
}>()("basilica-sdk/services/Health") {
  /** For `Basilica.layer`, which makes a new layer for each set of options. */
  static readonly make: Effect.Effect<Health["Service"], never, Transport> = Effect.map(
    Transport,
    (transport) =>
      Health.of({
        check: method("Health.check")(function*() {
          return yield* transport.requestPublic({ operation: "Health.check", method: "GET", path: ["health"], decode })
        })()
      })
  )

  /** The service over a `Transport`. */
  static readonly layer: Layer.Layer<Health, never, Transport> = Layer.effect(Health, Health.make)
}

const decode = decodeWith(HealthReply)
