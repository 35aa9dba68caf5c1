import * as Schema from "effect/Schema"
import { count } from "./fields.ts"
import { LogCursor } from "./LogCursor.ts"

/** The rules for the options of a log. */
export const LogOptionRules = Schema.Struct({
  follow: Schema.optional(Schema.Boolean),
  tail: Schema.optional(count),
  from: Schema.optional(LogCursor),
  onGap: Schema.optional(Schema.Literals(["fail", "continue"])),
  maxReconnects: Schema.optional(count)
})
