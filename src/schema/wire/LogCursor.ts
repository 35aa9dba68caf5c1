import * as Schema from "effect/Schema"
import { type LogCursor as Data, LogCursor as Functions, type LogCursorFunctions } from "../LogCursor.ts"
import { count } from "./fields.ts"

const LineMark = Schema.Struct({ timestamp: Schema.String, hash: Schema.String })

const StreamCursor = Schema.Struct({
  stream: Schema.String,
  lines: Schema.optional(Schema.Int),
  first: LineMark,
  before: Schema.optional(
    Schema.Array(Schema.Struct({ ...LineMark.fields, run: Schema.Int, partial: Schema.optional(Schema.Boolean) }))
  ),
  last: LineMark,
  run: Schema.Int,
  partial: Schema.optional(Schema.Boolean),
  gap: Schema.optional(Schema.Boolean),
  young: Schema.optional(Schema.Int),
  unsure: Schema.optional(Schema.Boolean),
  greeting: Schema.optional(Schema.Array(LineMark))
})

/** The schema of a {@link Data}, to read one that was kept, and the functions that make and move one. */
export const LogCursor: Schema.Codec<LogCursor> & LogCursorFunctions = Object.assign(
  Schema.Struct({
    version: Schema.Literal(1),
    id: Schema.String,
    tail: Schema.optional(count),
    since: Schema.optional(Schema.String),
    streams: Schema.Array(StreamCursor)
  }),
  Functions
)

/** A place in a deployment's log. */
export type LogCursor = Data
