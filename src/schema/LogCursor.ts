import type { LogCursor as Data, StreamCursor } from "../errors/LogCursor.ts"
import type { LogEntry } from "./LogEntry.ts"
import * as Timestamp from "./Timestamp.ts"

/**
 * A place in a deployment's log, between two lines. Plain data: it may be kept as JSON, and another process can go on
 * from it. It holds no text of the log.
 */
export type LogCursor = Data

/** What can be done with a {@link LogCursor}. */
export interface LogCursorFunctions {
  /** The place before the first line, or with `tail` the one before the last lines that there are when it is used. */
  readonly start: (id: string, options?: { readonly tail?: number | undefined }) => LogCursor
  /**
   * The place after a line, given the place before it. This is how one who reads a log knows where they are:
   *
   * ```ts
   * let cursor = LogCursor.start(id)
   * for await (const entry of basilica.deployments.logs(id, { follow: true, from: cursor })) {
   *   await save(entry, cursor = LogCursor.after(cursor, entry))
   * }
   * ```
   */
  readonly after: (cursor: LogCursor, entry: LogEntry) => LogCursor
}

/** Makes and moves cursors. */
export const LogCursor: LogCursorFunctions = {
  start: (id, { tail } = {}) => ({ version: 1, id, ...(tail === undefined ? {} : { tail }), streams: [] }),
  after: ({ id, since, streams, tail }, { message, stream, timestamp }) => {
    const line = { timestamp, hash: hashOf(message) }
    const before = streams.find((one) => one.stream === stream)
    const from = tail === undefined ? since : timestamp
    return {
      version: 1,
      id,
      ...(from === undefined ? {} : { since: before === undefined ? Timestamp.earlier(from, timestamp) : from }),
      streams: before === undefined
        ? [...streams, {
          stream,
          first: line,
          last: line,
          run: 1,
          ...(from === undefined ? { lines: 1 } : { partial: true })
        }]
        : streams.map((one) => one === before ? follow(before, line) : one)
    }
  }
}

const follow = (
  { before = [], first, gap = false, greeting, last, lines, partial, run, stream }: StreamCursor,
  line: StreamCursor["last"]
): StreamCursor => {
  const same = Timestamp.same(last.timestamp, line.timestamp)
  // Behind a gap nothing stands together with what is before it.
  const marks = gap
    ? []
    : same
    ? before
    : [...before, { ...last, run, ...(partial === true ? { partial } : {}) }].slice(-3)
  return {
    stream,
    first,
    ...(marks.length === 0 ? {} : { before: marks }),
    last: line,
    run: same ? run + 1 : 1,
    ...(lines === undefined ? {} : { lines: lines + 1 }),
    ...(same && partial === true ? { partial } : {}),
    ...(greeting === undefined ? {} : { greeting })
  }
}

/** A checksum of 53 bits over the characters of a text. */
export const hashOf = (text: string): string => {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(16).padStart(14, "0")
}
