import { jsonOf } from "../../schema/jsonOf.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"

/**
 * The data of a log event, read as far as it is asked for. One of them serves all events of a connection.
 *
 * The service writes `{"message":"...","stream":"stdout","timestamp":"..."}`, so stream and time of a line that is not
 * wanted are found at its end; anything else is parsed as JSON.
 */
export class LogEvent {
  /**
   * `"line"`; or `"none"` for what has no message, such as a heartbeat; or what is wrong with it. What looked like a line
   * at its end may turn out to be wrong when its message is asked for.
   */
  kind: "line" | "none" | "no object" | "no text" = "none"
  stream = ""
  #text = ""
  #start = 0
  #end = 0
  /** Where the time begins, of a line that was read at its end. */
  #time = 0
  #message: string | undefined
  #timestamp: string | undefined
  /** The ends that were seen, without the time: with them the next one is found without a search. */
  readonly #ends: Array<KnownEnd> = []

  read(text: string, start: number, end: number): void {
    this.#text = text
    this.#start = start
    this.#end = end
    this.#message = undefined
    this.#timestamp = undefined
    if (!stands(text, messageKey, start) || !(this.#readKnownEnd() || this.#readEnd())) this.#parse()
  }

  /** Lets go of what was read: the text may be that of many events. */
  clear(): void {
    this.#text = ""
    this.#message = undefined
    this.#timestamp = undefined
  }

  /** Takes a line that was parsed already. */
  set({ message, stream, timestamp }: LogEntry): void {
    this.kind = "line"
    this.stream = stream
    this.#message = message
    this.#timestamp = timestamp
  }

  get message(): string {
    if (this.#message === undefined) this.#parse()
    return this.#message ?? ""
  }

  get timestamp(): string {
    if (this.#timestamp === undefined) {
      const written = this.#text.slice(this.#time, this.#end - 2)
      if (written.includes("\\")) this.#parse()
      else this.#timestamp = written
    }
    return this.#timestamp ?? ""
  }

  #readKnownEnd(): boolean {
    const text = this.#text
    for (const end of this.#ends) {
      const messageEnd = this.#end - end.length
      if (messageEnd < this.#start + messageKey.length) continue
      if (text.charCodeAt(messageEnd + end.at) !== end.letter || !stands(text, end.text, messageEnd)) continue
      const time = messageEnd + end.text.length
      if (
        this.#end - 2 - time > maxName || text.indexOf("\"", time) !== this.#end - 2 ||
        text.charCodeAt(this.#end - 1) !== brace
      ) continue
      return this.#isLine(end.stream, time)
    }
    return false
  }

  #readEnd(): boolean {
    const text = this.#text
    const timeEnd = this.#end - 2
    if (!text.startsWith("\"}", timeEnd)) return false
    const time = text.lastIndexOf("\"", timeEnd - 1) + 1
    const streamEnd = time - timestampKey.length
    if (!text.startsWith(timestampKey, streamEnd)) return false
    const begin = text.lastIndexOf("\"", streamEnd - 1) + 1
    const messageEnd = begin - streamKey.length
    if (messageEnd < this.#start + messageKey.length || !text.startsWith(streamKey, messageEnd)) return false
    const stream = text.slice(begin, streamEnd)
    if (stream.includes("\\") || stream.length > maxName || timeEnd - time > maxName) return false
    if (this.#ends.length === maxEnds) this.#ends.shift()
    const middle = stream.length >> 1
    this.#ends.push({
      stream,
      text: [streamKey, stream, timestampKey].join(""),
      length: this.#end - messageEnd,
      at: streamKey.length + middle,
      letter: text.charCodeAt(begin + middle)
    })
    return this.#isLine(stream, time)
  }

  #isLine(stream: string, time: number): true {
    this.kind = "line"
    this.stream = stream
    this.#time = time
    return true
  }

  #parse(): void {
    const event = jsonOf(this.#text.slice(this.#start, this.#end))
    this.#timestamp = ""
    this.#message = ""
    if (typeof event !== "object" || event === null || Array.isArray(event)) {
      this.kind = "no object"
    } else if (isLine(event)) {
      this.kind = "line"
      this.stream = event.stream
      this.#timestamp = event.timestamp
      this.#message = event.message
    } else {
      this.#parseOther(event)
    }
  }

  #parseOther({ error, message, stream }: {
    readonly error?: unknown
    readonly message?: unknown
    readonly stream?: unknown
  }): void {
    if (stream === "error" || (typeof error === "string" && message === undefined)) {
      // A failure is one whatever its words are. The service's own reader says `{"error":"..."}`.
      const words = stream === "error" ? message : error
      this.kind = "line"
      this.stream = "error"
      this.#message = typeof words === "string" ? words : "Stream error"
    } else {
      this.kind = message === undefined && stream === undefined ? "none" : "no text"
    }
  }
}

interface KnownEnd {
  readonly stream: string
  readonly text: string
  readonly length: number
  /** A letter in the middle of the stream, by which ends of one length are told apart at once. */
  readonly letter: number
  readonly at: number
}

/** The longest stream and the longest timestamp of a line that is read, in characters: they are kept for each stream. */
export const maxName = 256

/** There are two streams, and few lengths of a time. */
const maxEnds = 4
const brace = 125
const messageKey = "{\"message\":\""
const streamKey = "\",\"stream\":\""
const timestampKey = "\",\"timestamp\":\""

/** Whether a part stands there. For every line that is skipped, this is quicker than `startsWith`. */
const stands = (text: string, part: string, at: number): boolean => text.slice(at, at + part.length) === part

/** The line in the data of an event, if it is one: parsed at once, for a line that is wanted. */
export const parseLine = (data: string): LogEntry | undefined => {
  const event = jsonOf(data)
  return typeof event === "object" && event !== null && isLine(event) ? event : undefined
}

/** Checked by hand, not by a schema: this runs for every line, and a schema costs half of the throughput. */
const isLine = (event: { readonly [field in keyof LogEntry]?: unknown }): event is LogEntry =>
  typeof event.message === "string" && typeof event.stream === "string" && typeof event.timestamp === "string" &&
  event.stream !== "error" && event.stream.length <= maxName && event.timestamp.length <= maxName
