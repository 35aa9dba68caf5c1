import type { LogCursor } from "../../errors/LogCursor.ts"
import { hashOf } from "../../schema/LogCursor.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"

/** How far one stream was read. Moves often, so it holds the last message itself: hashed when asked for. */
export interface Place {
  readonly stream: string
  /** How many lines stand before the place; `undefined` while that is not known. */
  lines: number | undefined
  first: Mark
  last: Mark
  /** How many lines up to the last one have its time. */
  run: number
  /** Whether more lines of that time may stand before those. */
  partial: boolean
  /** Whether a gap behind the place was reported. */
  gap: boolean
}

/**
 * Goes behind `count` lines of the stream of a place, of which the last is at `last` in `entries`. `lines` as in
 * {@link LogPosition.begin}.
 */
export const move = (
  place: Place,
  entries: ReadonlyArray<LogEntry>,
  last: number,
  count: number,
  lines: number | undefined
): void => {
  let later = entries[last]
  if (later === undefined) return
  place.lines = lines
  const before = place.last
  place.last = later
  // Lines of one time stand together: no line is looked at before the first of the last time.
  let run = 1
  for (let index = last - 1; run < count; index--) {
    const entry = entries[index]
    if (entry === undefined) break
    if (entry.stream !== place.stream) continue
    if (!Timestamp.same(entry.timestamp, later.timestamp)) break
    later = entry
    run++
  }
  if (run === count && Timestamp.same(before.timestamp, later.timestamp)) {
    place.run += run
  } else {
    place.run = run
    place.partial = false
  }
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
    for (const { first, gap = false, last, lines, partial = false, run, stream } of streams) {
      this.places.set(stream, { stream, lines, first, last, run, partial, gap })
    }
  }

  /** Goes behind the first line of a stream. `lines`: how many of its lines stand before there, where that is known. */
  begin(line: LogEntry, lines: number | undefined): Place {
    const { stream, timestamp } = line
    const place = { stream, lines, first: line, last: line, run: 1, partial: lines === undefined, gap: false }
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
    if (Timestamp.compare(timestamp, place.last.timestamp) <= 0) return true
    const known = isMessage(place.last, message) || isMessage(place.first, message)
    return known && Date.parse(timestamp) >= connectedAt - 2000
  }

  get cursor(): LogCursor {
    return {
      version: 1,
      id: this.id,
      ...(this.tail === undefined ? {} : { tail: this.tail }),
      ...(this.since === undefined ? {} : { since: this.since }),
      streams: [...this.places.values()].map(({ first, gap, last, lines, partial, run, stream }) => ({
        stream,
        ...(lines === undefined ? {} : { lines }),
        first: lineMark(first),
        last: lineMark(last),
        run,
        ...(partial ? { partial } : {}),
        ...(gap ? { gap } : {})
      }))
    }
  }
}

const lineMark = ({ hash, message = "", timestamp }: Mark) => ({ timestamp, hash: hash ?? hashOf(message) })
