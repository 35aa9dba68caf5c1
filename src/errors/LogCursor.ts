/**
 * A place in a deployment's log, between two lines. Plain data: it may be kept as JSON, and another process can go on
 * from it. It holds no text of the log.
 */
export interface LogCursor {
  readonly version: 1
  /** The deployment. */
  readonly id: string
  /** How many last lines to begin with. There only while no line was read. */
  readonly tail?: number | undefined
  /** Set where the reading began with the last lines: what is older than this, RFC 3339, was not asked for. */
  readonly since?: string | undefined
  /** How far each stream was read; stdout and stderr come in an order of their own on each connection. */
  readonly streams: ReadonlyArray<StreamCursor>
}

/** How far one stream of a log was read. */
export interface StreamCursor {
  /** `"stdout"`, `"stderr"`, or another name. */
  readonly stream: string
  /** How many of its lines stand before the place; absent where the reading began with the last lines. */
  readonly lines?: number | undefined
  /** The first line of it that was seen. */
  readonly first: LineMark
  /** Up to three lines before the last one, oldest first, each the last of its time. */
  readonly before?: ReadonlyArray<RunMark> | undefined
  /** The last line of it that was read. */
  readonly last: LineMark
  /** How many lines up to the last one have its time. */
  readonly run: number
  /** Whether there may be more lines of that time, before those that were read. */
  readonly partial?: boolean | undefined
  /** Whether a gap that follows the last line was reported already. */
  readonly gap?: boolean | undefined
  /**
   * How many of the last marks, `last` and those before it, may be what ssh said, which the log does not hold; absent where
   * that is not known.
   */
  readonly young?: number | undefined
  /** Whether that is so of all that was read. */
  readonly unsure?: boolean | undefined
  /** What ssh may have greeted with when the reading began, 32 lines at most. */
  readonly greeting?: ReadonlyArray<LineMark> | undefined
}

/** What tells a line from its neighbours without holding its text. */
export interface LineMark {
  /** Its time, as the service wrote it. */
  readonly timestamp: string
  /** A checksum of its message. */
  readonly hash: string
}

/** The last line of a time. */
interface RunMark extends LineMark {
  /** How many lines up to it have its time. */
  readonly run: number
  /** Whether there may be more lines of that time, before those that were read. */
  readonly partial?: boolean | undefined
}
