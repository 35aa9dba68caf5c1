import type { LogCursor } from "../../errors/LogCursor.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"
import { earliest, isMessage, lineMark } from "./LogMark.ts"
import { LogPlace } from "./LogPlace.ts"

/** How far a log was read. */
export class LogPosition {
  readonly id: string
  /** How many last lines the reading begins with, while no line was read. */
  tail: number | undefined
  /** Where the reading began with the last lines: what is older was not asked for. */
  since: string | undefined
  /** When the last lines were asked for. */
  askedAt: number | undefined
  readonly places = new Map<string, LogPlace>()

  constructor({ id, since, streams, tail }: LogCursor) {
    this.id = id
    this.tail = streams.length === 0 ? tail : undefined
    this.since = since
    for (const cursor of streams) this.places.set(cursor.stream, new LogPlace(cursor))
  }

  /** Goes behind the first line of a stream. `lines`: how many of its lines stand before there, where that is known. */
  begin(line: LogEntry, lines: number | undefined, young: boolean): LogPlace {
    const { stream, timestamp } = line
    const mark = lineMark(line)
    // There is one already where nothing but the greeting was read.
    const place = this.places.get(stream) ?? new LogPlace({ stream, first: mark, last: mark, run: 1 })
    place.begin(line, lines, young)
    // What comes behind other lines is no greeting.
    if (place.unsure && (lines ?? 1) === 1) place.greeting.add(line)
    this.places.set(stream, place)
    const fromTail = this.tail !== undefined
    this.tail = undefined
    if (this.since !== undefined) this.since = Timestamp.earlier(this.since, timestamp)
    else if (fromTail) this.since = this.#sinceOf(timestamp)
    return place
  }

  /** A line that is none of the last ones, which were asked for, does not say that what was written before it is not wanted. */
  #sinceOf(timestamp: string): string {
    return this.askedAt !== undefined && Date.parse(timestamp) > this.askedAt + 2000
      ? new Date(this.askedAt).toISOString()
      : timestamp
  }

  /** Whether a line is older than the last lines that the reading was to begin with. */
  isUnasked({ timestamp }: { readonly timestamp: string }): boolean {
    return this.since !== undefined && Timestamp.compare(timestamp, this.since) < 0
  }

  /**
   * Whether a line was read, as far as its time tells. `connectedAt`: when the connection that brought it began; a line
   * that is younger and whose text is known may have got its time there.
   */
  has(line: LogEntry, connectedAt: number): boolean {
    const { message, stream, timestamp } = line
    const place = this.places.get(stream)
    if (place === undefined) return this.isUnasked(line)
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
      streams: Array.from(this.places.values(), (place) => place.cursor)
    }
  }
}
