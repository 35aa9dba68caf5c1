import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"

/**
 * The log does not reach back any more to where it was read: it was rotated, or the container was replaced. Lines may be
 * missing. Reported once; with the cursor the reading goes on behind the gap.
 */
export class LogGap extends TaggedError("LogGap")<{
  readonly operation: string
  /** The deployment. */
  readonly id: string
  /** The stream in which it was found. Other streams may miss lines of that time too. */
  readonly stream: string
  /** The time of the last line of it that was read. */
  readonly after: string
  /** The time of the oldest line of it that is left behind the gap; absent where there is none. */
  readonly before?: string | undefined
  /** How many lines of it were read before the gap; absent where the reading began with the last lines. */
  readonly linesBefore?: number | undefined
  /** Goes on behind the gap: `logs(id, { from: error.cursor })`. */
  readonly cursor: LogCursor
}> {
  readonly outcome = "none"
  readonly retryable = false

  /** What is missing, in words. */
  get missing(): string {
    const read = this.linesBefore === undefined ? "" : `line ${this.linesBefore} of `
    const end = this.before === undefined ? "it ends before that" : `it goes on at ${this.before}`
    return `lines of ${this.stream} of deployment ${this.id} may be missing: the log was read up to ${read}` +
      `${this.after}, which it does not hold any more; ${end}`
  }

  override get message(): string {
    return `${this.operation}: ${this.missing}. Go on with the option from: error.cursor, or ask with onGap: "continue".`
  }
}
