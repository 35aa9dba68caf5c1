import { inSeconds } from "./inSeconds.ts"
import { lookFirst, sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"
import type { Outcome, Phase } from "./Outcome.ts"

/** The deadline of a call passed. It covers connecting, the reply, its body and all retries. */
export class TimeoutError extends TaggedError("TimeoutError")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** The phase that ran out. */
  readonly phase: Phase
  /** The deadline, in milliseconds. */
  readonly afterMillis: number
  /** What is known of the work behind the call. */
  readonly outcome: Outcome
  /** The failure it was about to retry, if time ran out between attempts. */
  readonly lastFailure?: string | undefined
  /** The last status seen, where the call was waiting for one. */
  readonly lastSeen?: { readonly _tag: string; readonly raw: string } | undefined
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  /** Said here because Effect has a class of this name too: a bundler gives one of them another. */
  static override readonly name = "TimeoutError"
  readonly retryable = true

  override get message(): string {
    const where = {
      connect: "while connecting",
      headers: "while waiting for the reply",
      body: "while reading the reply",
      backoff: `while waiting to try again${this.lastFailure === undefined ? "" : `: ${this.lastFailure}`}`,
      polling: this.lastSeen === undefined
        ? "without seeing a status"
        : `the last status seen was ${this.lastSeen._tag}`
    }
    const next = this.outcome === "none"
      ? "Nothing was done; try again, or allow more time with the option timeout, of the call or of the client."
      : this.phase === "polling"
      ? "It may still come up, and is billed until it is stopped: look at its status, wait again, or stop it."
      : lookFirst
    return `${this.operation} ran out of time after ${inSeconds(this.afterMillis)}, ${
      sentence(where[this.phase])
    } ${next}`
  }
}
