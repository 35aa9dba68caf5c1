import type { LogCursor } from "./LogCursor.ts"
import type { Timestamp } from "./Timestamp.ts"

/** A line of a deployment's output. */
export interface LogEntry {
  /** When the line was written, with its nanoseconds, as the service says it. */
  readonly timestamp: Timestamp
  /** `"stdout"` or `"stderr"`. An open set: a stream that this version does not know is kept. */
  readonly stream: string
  /**
   * The text without its line end. The service trims it at the left, and cuts it after 4,096 bytes with
   * `... (truncated)`.
   */
  readonly message: string
}

/** How to read a log. */
export interface LogOptions {
  /** Wait for lines to come, until the deployment ends. Default: `false`, which ends with the last line there is. */
  readonly follow?: boolean | undefined
  /** Start with only this many of the last lines; 0 for none. Default: from the first line. */
  readonly tail?: number | undefined
  /** Go on behind this place, which an error or `LogCursor.after` gave. Not together with `tail`. */
  readonly from?: LogCursor | undefined
  /**
   * What to do where the log does not reach back any more to where it was read. Default: `"fail"`, with a `LogGap`.
   * `"continue"` goes on behind the gap, with a warning in the log and a count in `basilica_log_gaps_total`.
   */
  readonly onGap?: "fail" | "continue" | undefined
  /**
   * How many reconnects in a row may bring no new line and last under a minute before `follow` fails.
   * Default: 20, which takes about four minutes. 0 fails with the first cut.
   */
  readonly maxReconnects?: number | undefined
}
