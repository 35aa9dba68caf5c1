/**
 * Whether the service answers.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { HealthStatus } from "../schema/HealthStatus.ts"
import { HealthReply } from "../schema/wire/Health.ts"
import { decodeWith } from "./internal/Json.ts"
import { value } from "./internal/tracing.ts"
import { type PublicCallError, Transport } from "./Transport.ts"

/** Whether the service answers. */
export class Health extends Context.Service<Health, {
  /** Asks the service how it is. Needs no token. Today's service always says `healthy`: it proves that it answers. */
  readonly check: Effect.Effect<HealthStatus, PublicCallError>
}>()("basilica-sdk/services/Health") {
  /** The service over a `Transport`. */
  static readonly layer: Layer.Layer<Health, never, Transport> = Layer.effect(
    Health,
    Transport.useSync((transport) =>
      Health.of({
        check: value("Health.check")(
          transport.requestPublic({ operation: "Health.check", method: "GET", path: ["health"], decode })
        )
      })
    )
  )
}

const decode = decodeWith(HealthReply)
