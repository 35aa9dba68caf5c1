import * as Context from "effect/Context"
import type { Phase } from "../errors/Outcome.ts"

/** How far a call has come. A transport that can tell connecting from waiting writes it down here. */
export interface CallProgress {
  phase: Phase
}

/** The progress of the call of this SDK that the current fiber makes; `undefined` in a request of anybody else. */
export const CallProgress: Context.Reference<CallProgress | undefined> = Context.Reference<CallProgress | undefined>(
  "basilica-sdk/services/CallProgress",
  { defaultValue: () => undefined }
)
