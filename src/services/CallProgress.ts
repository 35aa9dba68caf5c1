import * as Context from "effect/Context"
import type { Phase } from "../errors/Outcome.ts"

/** What a transport that can tell it writes down of a call: how far it has come, and how it is given up. */
export interface CallProgress {
  phase: Phase
  /** Closes the connection of the last request, unless all of its reply has come. */
  abandon?: () => void
}

/** The progress of the call of this SDK that the current fiber makes; `undefined` in a request of anybody else. */
export const CallProgress: Context.Reference<CallProgress | undefined> = Context.Reference<CallProgress | undefined>(
  "basilica-sdk/services/CallProgress",
  { defaultValue: () => undefined }
)
