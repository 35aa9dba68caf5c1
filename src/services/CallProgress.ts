import * as Context from "effect/Context"
import type { Phase } from "../errors/Outcome.ts"

/** How far a call has come. A transport that can tell connecting from waiting writes it down here. */
export interface CallProgress {
  phase: Phase
}

/** The progress of the call that the current fiber makes. */
export const CallProgress: Context.Reference<CallProgress> = Context.Reference<CallProgress>(
  "basilica-sdk/services/CallProgress",
  { defaultValue: () => ({ phase: "headers" }) }
)
