import { lookFirst, sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"
import type { Outcome, Phase } from "./Outcome.ts"

/** The network failed: no connection, or one that broke. */
export class NetworkError extends TaggedError("NetworkError")<{
  readonly operation: string
  readonly phase: Phase
  /** What the runtime says of it, such as `ECONNREFUSED`. */
  readonly reason: string
  readonly outcome: Outcome
  /** Where a log that failed goes on: `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  readonly retryable = true

  override get message(): string {
    const where = {
      connect: "could not connect",
      headers: "lost the connection before the reply",
      body: "lost the connection while the reply was read",
      backoff: "lost the connection",
      polling: "lost the connection"
    }
    const next = this.outcome === "none"
      ? "Nothing was done; try again when the network is back."
      : lookFirst
    return `${this.operation} ${where[this.phase]}: ${sentence(this.reason)} ${next}`
  }
}
