import * as Duration from "effect/Duration"
import * as Sse from "effect/encoding/Sse"
import { joined } from "./joined.ts"

/** The longest event and the longest line that are read, in bytes. The service's own are below 25 KiB. */
export const maxEventBytes = 1024 * 1024

/** Who wants to know of events. */
export interface EventHandler {
  /** The data of an event: a part of a text, so that what is not wanted is never cut out. */
  onData(text: string, start: number, end: number): void
  /** The service says how long to wait before a new connection, in milliseconds. */
  onRetry(millis: number): void
}

/**
 * Reads server-sent events, by the standard (WHATWG 9.2.5 and 9.2.6), from bytes that are cut anywhere.
 *
 * What the service itself writes, `data:...` and an empty line, is read the fast way: whole events are cut out as bytes
 * and decoded in one piece. As soon as anything else appears, Effect's parser reads on until an event is complete.
 */
export class EventReader {
  readonly #handler: EventHandler
  /** Made when they are needed first: most logs never need them, and there may be thousands. */
  #parser: Sse.Parser | undefined
  #streaming: TextDecoder | undefined
  readonly #limits = new Limits()
  /** What came behind the last whole event: put aside until the rest of it is here. */
  #begun: Array<Uint8Array> = []
  #begunBytes = 0
  /** Whether nothing was read yet: a byte order mark may come. */
  #first = true
  /** Whether the parser stands between two events. */
  #between = true

  constructor(handler: EventHandler) {
    this.#handler = handler
  }

  /** Reads on. Returns `false` for an event that is too long; those before it were handed out, and nothing is after. */
  feed(bytes: Uint8Array): boolean {
    let rest = bytes
    while (rest.length > 0) {
      if (this.#between && this.#begunBytes + rest.length <= maxEventBytes) {
        this.#fast(rest)
        return true
      }
      // What is put aside is within the limits.
      if (this.#begunBytes > 0) this.#general(this.#takeBegun())
      const event = rest.subarray(0, afterBlankLine(rest))
      if (!this.#general(event)) return false
      rest = rest.subarray(event.length)
    }
    return true
  }

  /**
   * Nothing more comes. Returns whether the bytes end inside an event: the standard drops it, so whoever reads on must not
   * take it for an end.
   */
  finish(): boolean {
    if (this.#begunBytes > 0) this.#general(this.#takeBegun())
    return !this.#between
  }

  /** Reads bytes that are within the limits with what is put aside. */
  #fast(bytes: Uint8Array): void {
    const end = this.#afterLastBlankLine(bytes)
    if (end > 0) {
      this.#putAside(bytes.subarray(0, end))
      this.#readWhole(this.#takeBegun())
    }
    if (end < bytes.length) this.#putAside(bytes.subarray(end))
    // Where lines end with carriage returns, an event may be whole though no empty line was found.
    if (bytes.includes(cr, end)) this.#general(this.#takeBegun())
  }

  /** Reads whole events. */
  #readWhole(bytes: Uint8Array): void {
    const text = decoder.decode(bytes)
    const isOurs = !text.includes("\r")
    let at = 0
    while (at < text.length) {
      const lineEnd = isOurs && text.startsWith("data:", at) ? text.indexOf("\n", at) : -1
      if (lineEnd === -1 || text.charCodeAt(lineEnd + 1) !== lf) {
        // It ends with an empty line and is within the limits, so the parser stands between two events behind it.
        this.#parserFrom(this.#first && at === 0).feed(text.slice(at))
        break
      }
      this.#handler.onData(text, text.charCodeAt(at + 5) === space ? at + 6 : at + 5, lineEnd)
      at = lineEnd + 2
    }
    this.#first = false
    this.#limits.skipMark()
  }

  #general(bytes: Uint8Array): boolean {
    const parser = this.#parserFrom(this.#first)
    this.#first = false
    const kept = this.#limits.check(bytes)
    this.#streaming ??= new TextDecoder("utf-8", keepMark)
    parser.feed(this.#streaming.decode(kept, { stream: true }))
    this.#between = this.#limits.between
    return !this.#limits.exceeded
  }

  /** Effect's parser. It takes a byte order mark off the first text it gets, which may not be the beginning. */
  #parserFrom(atBeginning: boolean): Sse.Parser {
    if (this.#parser !== undefined) return this.#parser
    const handler = this.#handler
    const parser = Sse.makeParser((event) => {
      if (event._tag === "Event") handler.onData(event.data, 0, event.data.length)
      else handler.onRetry(Duration.toMillis(event.duration))
    }, { maxEventSize: Number.MAX_SAFE_INTEGER })
    if (!atBeginning) parser.feed("\n")
    return this.#parser = parser
  }

  #putAside(bytes: Uint8Array): void {
    this.#begunBytes += bytes.length
    // Many small pieces are copied together, as often as their number doubles: each alone costs more than what is in it.
    let piece = bytes
    for (
      let last = this.#begun.at(-1);
      last !== undefined && this.#begun.length >= maxPieces;
      last = this.#begun.at(-1)
    ) {
      if (last.length > piece.length) break
      this.#begun.pop()
      piece = joined([last, piece])
    }
    this.#begun.push(piece)
  }

  /** What was put aside: good until something is taken again. */
  #takeBegun(): Uint8Array {
    const all = joined(this.#begun, together)
    this.#begun = []
    this.#begunBytes = 0
    return all
  }

  get #endsWithLf(): boolean {
    return this.#begun.at(-1)?.at(-1) === lf
  }

  /** Where the last event ends that is complete; 0 where none is. */
  #afterLastBlankLine(bytes: Uint8Array): number {
    let at = bytes.lastIndexOf(lf)
    while (at > 0 && bytes[at - 1] !== lf) at = bytes.lastIndexOf(lf, at - 1)
    return at > 0 || (at === 0 && this.#endsWithLf) ? at + 1 : 0
  }
}

// The parser drops the byte order mark itself; a decoder that drops one too would let a second one slip through.
const keepMark = { ignoreBOM: true }
const decoder = new TextDecoder("utf-8", keepMark)

/** Where what was put aside and the read behind it are put together to be decoded: one for all logs, since nobody keeps it. */
const together = new Uint8Array(128 * 1024)

/** How many pieces of an event are kept as they came. */
const maxPieces = 16

const lf = 10
const cr = 13
const space = 32
const colon = 58
const mark = [0xef, 0xbb, 0xbf]

/** Where the first event ends that is complete, or the end. */
const afterBlankLine = (bytes: Uint8Array): number => {
  let at = bytes.indexOf(lf)
  while (at !== -1 && bytes[at + 1] !== lf) at = bytes.indexOf(lf, at + 1)
  return at === -1 ? bytes.length : at + 2
}

/** Counts the bytes of lines and events while they come, and drops the text of comments, which may have no end. */
class Limits {
  exceeded = false
  #lineBytes = 0
  #eventBytes = 0
  #comment = false
  #afterCr = false
  /** How much of a byte order mark stands at the beginning; 3 where none can come any more. */
  #marked = 0

  /** No byte order mark can come any more. */
  skipMark(): void {
    this.#marked = mark.length
  }

  get between(): boolean {
    return this.#lineBytes === 0 && this.#eventBytes === 0 && this.#marked === mark.length
  }

  /** What of the bytes is to be parsed: all but comments, up to an event that is too long. */
  check(bytes: Uint8Array): Uint8Array {
    const kept: Array<Uint8Array> = []
    let begin = 0
    const [nextLf, nextCr] = [nextOf(bytes, lf), nextOf(bytes, cr)]
    const drop = (end: number, next: number) => {
      if (end > begin) kept.push(bytes.subarray(begin, end))
      begin = next
    }
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]
      if (this.#marked < mark.length) {
        if (byte === mark[this.#marked]) {
          this.#marked++
          continue
        }
        this.#lineBytes += this.#marked
        this.#marked = mark.length
      }
      if (byte === lf && this.#afterCr) {
        this.#afterCr = false
      } else if (byte === lf || byte === cr) {
        if (this.#lineBytes === 0) this.#eventBytes = 0
        else if (!this.#comment) this.#eventBytes += this.#lineBytes
        this.#lineBytes = 0
        this.#afterCr = byte === cr
      } else {
        this.#afterCr = false
        if (this.#lineBytes++ === 0) this.#comment = byte === colon
        if (this.#comment) {
          const end = Math.min(nextLf(at), nextCr(at))
          // The colon stays, so that the line does not become an empty one.
          const text = this.#lineBytes === 1 ? at + 1 : at
          this.#lineBytes = 2
          if (end > text) drop(text, end)
          at = end - 1
        } else if (this.#lineBytes + this.#eventBytes > maxEventBytes) {
          this.exceeded = true
          drop(at, bytes.length)
          break
        }
      }
    }
    drop(bytes.length, bytes.length)
    return joined(kept)
  }
}

/** The place of the next such byte from some place on: each byte is looked at once while these places go on. */
const nextOf = (bytes: Uint8Array, byte: number) => {
  let found = -1
  return (from: number): number => {
    if (found < from) found = bytes.indexOf(byte, from)
    return found = found === -1 ? bytes.length : found
  }
}
