import { runsOn } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"

/** The token is good, but does not allow this call (403; the service sends it without a body). */
export class AuthorizationError extends TaggedError("AuthorizationError")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** The scope that the route asks for, such as `rentals:create`. */
  readonly scope?: string | undefined
  /** The deployment that was to be stopped. */
  readonly id?: string | undefined
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  /** Nothing was done. */
  readonly outcome = "none"
  readonly retryable = false

  override get message(): string {
    const scope = this.scope === undefined ? "the scope of this call" : `the scope ${this.scope}`
    return `${this.operation} was not allowed (403). Use a token that has ${scope}; a path that the service does not ` +
      `know is answered so too: check the base URL.${runsOn(this.id)}`
  }
}
