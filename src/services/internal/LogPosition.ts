import type { LineMark, LogCursor } from "../../errors/LogCursor.ts"
import { hashOf } from "../../schema/LogCursor.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"

/** How far one stream was read. Moves often, so it holds the last messages themselves: hashed when asked for. */
export interface Place {
  readonly stream: string
  /** How many lines stand before the place; `undefined` while that is not known. */
  lines: number | undefined
  first: Mark
  /** The last lines, those of one time as one. They stood together, oldest first; there is always one. */
  marks: ReadonlyArray<Marked>
  /** Whether more lines of the last time may stand before those. */
  partial: boolean
  /** Whether a gap behind the place was reported. */
  gap: boolean
  /**
   * How many of the last marks may have got their time from the service, so that the log may not hold them; `undefined`
   * where that is not known.
   */
  young: number | undefined
  /** Whether that is so of all that was read. */
  unsure: boolean
  /**
   * The lines with which the first connection began and that may have got their time from the service: what ssh greets with
   * comes again on each connection.
   */
  readonly greeting: Array<LineMark>
  /** Whether the next line may belong to it. */
  greets: boolean
}

/** How many lines a greeting may have. */
const maxGreeting = 32

/**
 * How many marks a place has. What ssh says when the way to the container breaks is a line as all others, though it is
 * none of the log: as long as a mark before it is left, the place is found.
 */
export const maxMarks = 4

/** Lines of one time: the last of them, and how many they are. */
export interface Marked extends Mark {
  run: number
  /** Whether more lines of that time may stand before those: so of the first mark, where the reading began with the last lines. */
  partial?: boolean | undefined
}

/**
 * Goes behind `count` lines of the stream of a place, of which the last is at `last` in `entries`. `lines` as in
 * {@link LogPosition.begin}; `stamped` tells whether a line may have got its time from the service. Gives how many of the
 * lines before were a greeting, and none of the log: the place begins behind it.
 */
export const move = (
  place: Place,
  entries: ReadonlyArray<LogEntry>,
  last: number,
  count: number,
  lines: number | undefined,
  stamped: (line: Mark) => boolean
): number => {
  const behind = place.greets ? keepGreeting(place, entries.slice(0, last + 1), count, stamped) : []
  const [first] = behind
  if (first !== undefined) {
    const greeting = place.greeting.length
    const ofLog = lines === undefined ? undefined : lines - greeting
    const { message, timestamp } = first
    const marks = [{ message, timestamp, run: 1 }]
    const partial = lines === undefined
    Object.assign(place, { lines: ofLog, first, marks, partial, young: 0, unsure: false, greets: false })
    move(place, behind, behind.length - 1, behind.length - 1, ofLog, stamped)
    return greeting
  }
  // The newest first: no line is looked at before those that the marks are made of.
  const marks: Array<Marked> = []
  let left = count
  let time = ""
  for (let index = last; left > 0; index--) {
    const entry = entries[index]
    if (entry === undefined) break
    if (entry.stream !== place.stream) continue
    const { message, timestamp } = entry
    const later = marks.at(-1)
    if (later !== undefined && Timestamp.same(timestamp, time)) later.run++
    else if (marks.length === maxMarks) break
    else marks.push({ timestamp, message, run: 1 })
    time = timestamp
    left--
  }
  const [before, oldest] = [place.marks.at(-1), marks.at(-1)]
  if (oldest === undefined) return 0
  const joins = left === 0 && before !== undefined && Timestamp.same(before.timestamp, time)
  if (joins) oldest.run += before.run
  if (!joins || marks.length > 1) {
    const part = joins ? oldest : left === 0 ? before : undefined
    if (place.partial && part !== undefined) part.partial = true
    place.partial = false
  }
  place.lines = lines
  const all = [...(joins ? place.marks.slice(0, -1) : place.marks), ...marks.toReversed()]
  const old = marks.findIndex((mark) => !stamped(mark))
  place.young = old === -1 ? Math.min(maxMarks, marks.length + Math.max(0, (place.young ?? 0) - (joins ? 1 : 0))) : old
  place.unsure &&= left === 0 && all.length <= maxMarks && old === -1
  place.marks = all.slice(-maxMarks)
  return 0
}

/** Keeps what may be a greeting, and gives the lines behind it. More lines than a greeting has are none. */
const keepGreeting = (
  place: Place,
  entries: ReadonlyArray<LogEntry>,
  count: number,
  stamped: (line: Mark) => boolean
): ReadonlyArray<LogEntry> => {
  const own = entries.filter(({ stream }) => stream === place.stream).slice(-count)
  for (const [index, entry] of own.entries()) {
    if (!stamped(entry)) return own.slice(index)
    place.greets = place.greeting.push(lineMark(entry)) <= maxGreeting
    if (place.greets) continue
    place.greeting.length = 0
    break
  }
  return []
}

/** A line that was seen: by its message, or by a checksum where it was seen elsewhere. */
export interface Mark {
  readonly timestamp: string
  readonly message?: string
  readonly hash?: string
}

/** Whether the message is that of the mark. */
export const isMessage = (mark: Mark, message: string): boolean =>
  mark.message === undefined ? mark.hash === hashOf(message) : mark.message === message

/** How far a log was read. */
export class LogPosition {
  readonly id: string
  /** How many last lines the reading begins with, while no line was read. */
  tail: number | undefined
  /** Where the reading began with the last lines: what is older was not asked for. */
  since: string | undefined
  readonly places = new Map<string, Place>()

  constructor({ id, since, streams, tail }: LogCursor) {
    this.id = id
    this.tail = tail
    this.since = since
    for (
      const {
        before = [],
        first,
        gap = false,
        greeting = [],
        last,
        lines,
        partial = false,
        run,
        stream,
        unsure = false,
        young
      } of streams
    ) {
      // Copies: they are counted on.
      const marks = [...before, { ...last, run }].map((mark) => ({ ...mark }))
      const greets = { greeting: [...greeting], greets: false }
      this.places.set(stream, { stream, lines, first, marks, partial, gap, young, unsure, ...greets })
    }
  }

  /**
   * Goes behind the first line of a stream. `lines`: how many of its lines stand before there, where that is known.
   * `stamped`: whether it may have got its time from the service.
   */
  begin(line: LogEntry, lines: number | undefined, stamped: boolean): Place {
    const { message, stream, timestamp } = line
    const marks = [{ message, timestamp, run: 1 }]
    const young = stamped ? 1 : 0
    // ssh says its words on stderr (1.8).
    const unsure = stamped && stream !== "stdout"
    const place = {
      stream,
      lines,
      first: line,
      marks,
      partial: lines === undefined,
      gap: false,
      young,
      unsure,
      greeting: unsure ? [lineMark(line)] : [],
      greets: unsure
    }
    this.places.set(stream, place)
    const fromTail = this.tail !== undefined
    this.tail = undefined
    if (this.since !== undefined) this.since = Timestamp.earlier(this.since, timestamp)
    else if (fromTail) this.since = timestamp
    return place
  }

  /**
   * Whether a line was read, as far as its time tells. `connectedAt`: when the connection that brought it began; a line
   * that is younger and whose text is known may have got its time there.
   */
  has({ message, stream, timestamp }: LogEntry, connectedAt: number): boolean {
    const place = this.places.get(stream)
    if (place === undefined) return this.since !== undefined && Timestamp.compare(timestamp, this.since) < 0
    const { first, marks } = place
    // What is younger than a mark was read behind it, and so is a mark too.
    if (Timestamp.compare(timestamp, earliest(marks)) < 0) return true
    if (marks.some((mark) => Timestamp.same(mark.timestamp, timestamp))) return true
    return [first, ...marks].some((mark) => isMessage(mark, message)) && Date.parse(timestamp) >= connectedAt - 2000
  }

  get cursor(): LogCursor {
    return {
      version: 1,
      id: this.id,
      ...(this.tail === undefined ? {} : { tail: this.tail }),
      ...(this.since === undefined ? {} : { since: this.since }),
      streams: [...this.places.values()].map(
        ({ first, gap, greeting, lines, marks, partial, stream, unsure, young }) => {
          const last = lastOf(marks)
          return {
            stream,
            ...(lines === undefined ? {} : { lines }),
            first: lineMark(first),
            ...(marks.length > 1 ? { before: marks.slice(0, -1).map(runMark) } : {}),
            last: lineMark(last),
            run: last.run,
            ...(partial ? { partial } : {}),
            ...(gap ? { gap } : {}),
            ...(young === undefined ? {} : { young }),
            ...(unsure ? { unsure } : {}),
            ...(greeting.length > 0 ? { greeting: [...greeting] } : {})
          }
        }
      )
    }
  }
}

/** The last of the marks. */
export const lastOf = (marks: ReadonlyArray<Marked>): Marked => marks.at(-1) ?? noMark

/** The earliest time of marks: that of the first, but where the service stamped it. */
export const earliest = (marks: ReadonlyArray<Marked>): string =>
  marks.reduce((time, mark) => Timestamp.earlier(time, mark.timestamp), lastOf(marks).timestamp)

/** Whether a mark may have got its time from the service: it is one of the last `young`, or younger than one after it. */
export const mayBeStamped = (marks: ReadonlyArray<Marked>, at: number, young: number): boolean => {
  const certain = marks.length - young
  const time = marks[at]?.timestamp ?? ""
  return at >= certain || marks.slice(at + 1, certain).some((mark) => Timestamp.compare(mark.timestamp, time) < 0)
}

const noMark: Marked = { timestamp: "", message: "", run: 0 }
const lineMark = ({ hash, message = "", timestamp }: Mark): LineMark => ({ timestamp, hash: hash ?? hashOf(message) })
const runMark = (mark: Marked) => ({
  ...lineMark(mark),
  run: mark.run,
  ...(mark.partial === true ? { partial: true } : {})
})
