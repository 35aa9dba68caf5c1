import * as Effect from "effect/Effect"
import type { Listing } from "../../schema/Listing.ts"

/** Logs that a list has items that could not be understood, so that nobody overlooks them. */
export const warnOfInvalid = (operation: string, { invalid, items }: Listing<unknown>): Effect.Effect<void> =>
  invalid.length === 0 ? Effect.void : Effect.logWarning(
    `${operation}: ${invalid.length} of ${
      items.length + invalid.length
    } items could not be understood; see "invalid": ` +
      invalid.slice(0, 5).map(({ id, index, problem }) => `[${index}] ${id ?? "without id"}: ${problem}`).join("; ")
  )
