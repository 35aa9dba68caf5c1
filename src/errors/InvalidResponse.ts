import { lookFirst, sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"
import type { Outcome } from "./Outcome.ts"

/** The status was a success, but the body could not be understood. */
export class InvalidResponse extends TaggedError("InvalidResponse")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** What is wrong with the reply; names places in it, never its contents. */
  readonly reason: string
  readonly status: number
  /** What is known of the work behind the call. */
  readonly outcome: Outcome
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  readonly retryable = false

  override get message(): string {
    return `${this.operation} was answered with ${this.status} and a body that this SDK does not understand: ` +
      `${sentence(this.reason)} ${
        this.outcome === "unknown" ? `${lookFirst} ` : ""
      }Check the base URL, and whether a newer version of basilica-sdk exists.`
  }
}
