/**
 * What of the wire only a server reads or writes. It is built from what the client reads, and stands apart from it, so
 * that no client carries it.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Id } from "../Id.ts"
import { snakeKeys } from "../internal/snakeKeys.ts"
import { ApiKeyName } from "./ApiKeys.ts"
import { AvailableExecutorWire } from "./Executors.ts"
import { count, maybe } from "./fields.ts"
import { PortWire, RentalItemWire } from "./Rentals.ts"

/** A whole number as it is written in a query. */
const countFromString = Schema.String.check(Schema.isPattern(/^\d{1,10}$/)).pipe(
  Schema.decodeTo(count, SchemaTransformation.numberFromString)
)

/** The body of most failures: the service's own error type. Other failures have text, HTML or nothing. */
export const ErrorEnvelope = Schema.Struct({
  error: Schema.Struct({
    code: Schema.String,
    message: Schema.String,
    timestamp: Schema.String,
    retryable: Schema.Boolean
  })
})

/** The query of `GET /executors`, as it is written in the URL. */
export const ExecutorsQuery = Schema.Struct({
  available: Schema.optionalKey(Schema.Literals(["true", "false"])),
  min_gpu_memory: Schema.optionalKey(countFromString),
  gpu_type: Schema.optionalKey(Schema.String),
  min_gpu_count: Schema.optionalKey(countFromString),
  location_city: Schema.optionalKey(Schema.String),
  location_region: Schema.optionalKey(Schema.String),
  location_country: Schema.optionalKey(Schema.String)
})

/** The reply of `GET /executors`. */
export const ExecutorsReply = snakeKeys(Schema.Struct({
  availableExecutors: Schema.Array(AvailableExecutorWire),
  totalCount: Schema.Finite
}))

/** The reply of `GET /rentals`. */
export const RentalsReply = snakeKeys(Schema.Struct({
  rentals: Schema.Array(RentalItemWire),
  totalCount: Schema.Finite
}))

/** The reply of `POST /rentals`, whole: of what comes, the client needs the id alone. */
export const StartRentalReply = snakeKeys(Schema.Struct({
  rentalId: Id,
  sshCredentials: maybe(Schema.String),
  containerInfo: maybe(snakeKeys(Schema.Struct({
    containerId: maybe(Schema.String),
    containerName: maybe(Schema.String),
    mappedPorts: maybe(Schema.Array(PortWire)),
    status: maybe(Schema.String),
    labels: maybe(Schema.Record(Schema.String, Schema.String))
  })))
}))

/** The query of `GET /rentals/{id}/logs`, as it is written in the URL. */
export const LogsQuery = Schema.Struct({
  follow: Schema.optionalKey(Schema.Literals(["true", "false"])),
  tail: Schema.optionalKey(countFromString)
})

/** The data of a log event. A `stream` of `error` is no line: the service's own reader has failed. */
export const LogEventWire = Schema.Struct({
  message: Schema.String,
  stream: Schema.String,
  timestamp: Schema.String
})

/** The body of `POST /api-keys`. Without scopes the key has those of the one who makes it. */
export const CreateApiKeyRequest = Schema.Struct({
  name: ApiKeyName,
  scopes: maybe(Schema.Array(Schema.String))
})
