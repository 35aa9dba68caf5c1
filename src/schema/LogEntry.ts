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
  /** Begin with the last lines alone, this many; 0 for none. Default: from the first line. */
  readonly tail?: number | undefined
}
