import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"

/** Too many requests (429), still so after the retries of an idempotent call. */
export class RateLimited extends TaggedError("RateLimited")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** How long the service asked to wait, in milliseconds, where it did. */
  readonly retryAfterMillis?: number | undefined
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  /** Nothing was done. */
  readonly outcome = "none"
  readonly retryable = true

  override get message(): string {
    const wait = this.retryAfterMillis === undefined ? "a little" : `${Math.ceil(this.retryAfterMillis / 1000)} s`
    return `${this.operation} was turned away: too many requests (429). Wait ${wait} and try again.`
  }
}
