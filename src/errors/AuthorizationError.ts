import { runsOn } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"

/** The token is good, but does not allow this call (403; the service sends it without a body). */
export class AuthorizationError extends TaggedError("AuthorizationError")<{
  readonly operation: string
  /** The scope that the route asks for, such as `rentals:create`. */
  readonly scope?: string | undefined
  /** The deployment that was to be stopped. */
  readonly id?: string | undefined
  readonly requestId?: string | undefined
  /** Where a log that failed goes on: `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  readonly outcome = "none"
  readonly retryable = false

  override get message(): string {
    const scope = this.scope === undefined ? "the scope of this call" : `the scope ${this.scope}`
    return `${this.operation} was not allowed (403). Use a token that has ${scope}.${runsOn(this.id)}`
  }
}
