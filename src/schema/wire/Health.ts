import * as Schema from "effect/Schema"
import { snakeKeys } from "../internal/snakeKeys.ts"

/** The reply of `GET /health`. */
export const HealthReply = snakeKeys(Schema.Struct({
  status: Schema.String,
  version: Schema.String,
  timestamp: Schema.String,
  healthyValidators: Schema.Finite,
  totalValidators: Schema.Finite
}))
