import type { LineMark } from "../../errors/LogCursor.ts"
import { hashOf } from "../../schema/LogCursor.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"
import { type IsYoung, lineMark, type Mark } from "./LogMark.ts"

/** How many lines a greeting may have. */
const maxLines = 32

/**
 * What ssh greets with on each connection, before the log: the lines with which the first connection began and to which
 * the service may have given their time.
 */
export class Greeting {
  readonly lines: Array<LineMark>
  /** Whether the next line may belong to it: so on the first connection, until a line comes that is of the log. */
  isOpen = false

  constructor(lines: ReadonlyArray<LineMark> = []) {
    this.lines = [...lines]
  }

  /** Begins anew, with these lines. */
  begin(lines: ReadonlyArray<LogEntry>): void {
    this.lines.length = 0
    this.isOpen = true
    for (const line of lines) this.add(line)
  }

  /** Goes on with a line behind what came of it before. */
  add(line: LogEntry): void {
    // What is behind the greeting does not come again, and goes then.
    this.isOpen = this.lines.length < maxLines
    if (this.isOpen) this.lines.push(lineMark(line))
  }

  /** Takes the lines that may belong to it, and gives those from the first of the log on. */
  grow(lines: ReadonlyArray<LogEntry>, isYoung: IsYoung): ReadonlyArray<LogEntry> {
    for (const [index, line] of lines.entries()) {
      if (isYoung(line)) {
        this.add(line)
        if (!this.isOpen) break
      } else {
        this.isOpen = false
        return lines.slice(index)
      }
    }
    return []
  }

  /** Whether a line of another connection is that one of it, where `first` was the first line of the log. */
  comes(at: number, line: LogEntry, first: Mark, isYoung: IsYoung): boolean {
    const expected = this.lines[at]
    // What begins with the first line of the log came but once.
    const once = this.lines.findIndex(({ timestamp }) => Timestamp.same(timestamp, first.timestamp))
    const comes = expected !== undefined && expected.hash === hashOf(line.message) && (
      // In the log after all, where the clock of its machine was set back behind it.
      ((once === -1 || at < once) && Timestamp.same(line.timestamp, expected.timestamp)) ||
      (isYoung(line) && Timestamp.compare(line.timestamp, expected.timestamp) > 0)
    )
    // What does not come again was none; but ssh may say a word before it.
    if (!comes && !isYoung(line) && (at > 0 || once !== -1)) this.lines.length = at > 0 ? at : once
    return comes
  }

  /** Whether it came to its end with that many lines, and nothing was read behind it. */
  isAll(came: number, last: Mark): boolean {
    const own = this.lines.at(-1)
    return came === this.lines.length && own !== undefined && Timestamp.same(own.timestamp, last.timestamp) &&
      own.hash === lineMark(last).hash
  }
}
