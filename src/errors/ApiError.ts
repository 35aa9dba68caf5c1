import { lookFirst, sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"
import type { Outcome } from "./Outcome.ts"

/** The service, or a proxy before it, reported a failure that has no error of its own here. */
export class ApiError extends TaggedError("ApiError")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** The HTTP status; 200 where the failure was reported inside a log stream. */
  readonly status: number
  /** The service's code, an open set: `BASILICA_API_OTHER_ERROR` and others. Absent where the reply had none. */
  readonly code?: string | undefined
  /** The service's own words, at most 2,048 characters; `""` where it sent none. */
  readonly reason: string
  /** Whether sending the call again may help. Not the service's own flag, which is wrong at the edges. */
  readonly retryable: boolean
  /** What is known of the work behind the call. */
  readonly outcome: Outcome
  /** How long the reply asked to wait, in milliseconds, where it did. */
  readonly retryAfterMillis?: number | undefined
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  override get message(): string {
    const words = this.reason === "" ? "with no message." : `saying: ${sentence(this.reason)}`
    const code = this.code === undefined ? "" : ` ${this.code}`
    const again = this.retryable ? "Try again later." : "Sending it again unchanged will not help."
    const next = this.outcome === "unknown" ? lookFirst : again
    return `${this.operation} failed: the service answered ${this.status}${code}, ${words} ${next}`
  }
}
