import * as Schema from "effect/Schema"
import { count, countFromString } from "./fields.ts"
import { LogCursor } from "./LogCursor.ts"

/** The data of a log event. A `stream` of `error` is no line: the service's own reader has failed. */
export const LogEventWire = Schema.Struct({
  message: Schema.String,
  stream: Schema.String,
  timestamp: Schema.String
})

/** The query of `GET /rentals/{id}/logs`, as it is written in the URL. */
export const LogsQuery = Schema.Struct({
  follow: Schema.optionalKey(Schema.Literals(["true", "false"])),
  tail: Schema.optionalKey(countFromString)
})

/** The rules for the options of a log. */
export const LogOptionRules = Schema.Struct({
  follow: Schema.optional(Schema.Boolean),
  tail: Schema.optional(count),
  from: Schema.optional(LogCursor),
  onGap: Schema.optional(Schema.Literals(["fail", "continue"])),
  maxReconnects: Schema.optional(count)
})
