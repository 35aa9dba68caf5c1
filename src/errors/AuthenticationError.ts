import { runsOn, sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"

/**
 * What stands between a call and its token.
 *
 * - `"missing"`: there is no token anywhere, or the place that keeps it cannot be used.
 * - `"refused"`: the service, or the sign-in service, does not accept what it was given.
 * - `"signedOut"`: the sign-in is over: only signing in again helps.
 * - `"unreachable"`: the token could not be renewed for now; trying again later may help.
 */
export type AuthenticationProblem = "missing" | "refused" | "signedOut" | "unreachable"

/** There is no token, or the service does not accept it (401), or the sign-in behind it is over. */
export class AuthenticationError extends TaggedError("AuthenticationError")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** Tells a sign-in that is over (`"signedOut"`) from the rest. */
  readonly kind: AuthenticationProblem
  /** What was wrong, in the service's words where it gave any. */
  readonly reason: string
  /** What to do about it. */
  readonly remedy: string
  /** The service's code, such as `BASILICA_API_AUTH_ERROR`. */
  readonly code?: string | undefined
  /** The deployment that was to be stopped. */
  readonly id?: string | undefined
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  /** Nothing was done. */
  readonly outcome = "none"
  readonly retryable: boolean = this.kind === "unreachable"

  override get message(): string {
    return `${this.operation} was not authenticated: ${sentence(this.reason)} ${this.remedy}${runsOn(this.id)}`
  }
}
