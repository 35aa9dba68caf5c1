import type { LineMark } from "../../errors/LogCursor.ts"
import { hashOf } from "../../schema/LogCursor.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"

/** A line that was seen: by its message, or by a checksum where it was seen elsewhere. */
export interface Mark {
  readonly timestamp: string
  readonly message?: string
  readonly hash?: string
}

/** Lines of one time that stood together: the last of them. */
export interface RunMark extends Mark {
  /** How many they are. */
  run: number
  /** Whether more lines of that time may stand before them. */
  partial: boolean
  /** Whether it may be a word, and so not in the log; `undefined` where that is not known. */
  young: boolean | undefined
}

/** Whether a line is so young that the service may have given it its time. */
export type IsYoung = (line: { readonly timestamp: string }) => boolean

/**
 * How many marks a place has. What ssh says when the way to the container breaks is a line as all others, though it is
 * none of the log: as long as a mark before it is left, the place is found.
 */
export const maxMarks = 4

/** The last of the marks. */
export const lastOf = (marks: ReadonlyArray<RunMark>): RunMark => marks.at(-1) ?? noMark

/** The earliest time of marks: that of the first, but where the service stamped it. */
export const earliest = (marks: ReadonlyArray<RunMark>): string =>
  marks.reduce((time, mark) => Timestamp.earlier(time, mark.timestamp), lastOf(marks).timestamp)

/** The last marks, where these lines follow those that were before. */
export const marksBehind = (
  before: ReadonlyArray<RunMark>,
  lines: ReadonlyArray<LogEntry>,
  isYoung: IsYoung
): ReadonlyArray<RunMark> => {
  // The newest first: no line is looked at before those that the marks are made of.
  const marks: Array<RunMark> = []
  let time = ""
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index]
    if (line === undefined) break
    const { message, timestamp } = line
    const later = marks.at(-1)
    if (later !== undefined && Timestamp.same(timestamp, time)) {
      later.run++
    } else {
      if (marks.length === maxMarks) return marks.toReversed()
      // What is before a line that is not young is not young either, as a rule.
      const young = later?.young !== false && isYoung(line)
      marks.push({ timestamp, message, run: 1, partial: false, young })
    }
    time = timestamp
  }
  const [last, first] = [before.at(-1), marks.at(-1)]
  const joins = last !== undefined && first !== undefined && Timestamp.same(last.timestamp, time)
  if (joins) Object.assign(first, { run: first.run + last.run, partial: last.partial })
  return [...(joins ? before.slice(0, -1) : before), ...marks.toReversed()].slice(-maxMarks)
}

/** How many lines the marks stand for. */
export const runOf = (marks: ReadonlyArray<RunMark>): number => marks.reduce((sum, { run }) => sum + run, 0)

/** Whether the message is that of the mark. */
export const isMessage = (mark: Mark, message: string): boolean =>
  mark.message === undefined ? mark.hash === hashOf(message) : mark.message === message

/** Whether the line is that of the mark. */
export const isLine = (mark: Mark, line: { readonly timestamp: string; readonly message: string }): boolean =>
  Timestamp.same(mark.timestamp, line.timestamp) && isMessage(mark, line.message)

/** The mark without the text. */
export const lineMark = ({ hash, message = "", timestamp }: Mark): LineMark => ({
  timestamp,
  hash: hash ?? hashOf(message)
})

const noMark: RunMark = { timestamp: "", message: "", run: 0, partial: false, young: undefined }
