import { lookFirst, sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"
import type { Outcome } from "./Outcome.ts"

/** The service said yes, and then something that cannot be understood. */
export class InvalidResponse extends TaggedError("InvalidResponse")<{
  readonly operation: string
  /** What is wrong with the reply; names places in it, never its contents. */
  readonly reason: string
  readonly status: number
  readonly outcome: Outcome
  readonly requestId?: string | undefined
  /** Where a log that failed goes on: `logs(id, { from: error.cursor })`. */
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
