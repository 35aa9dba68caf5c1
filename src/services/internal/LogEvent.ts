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
  #timestamp: string | undefined
  #message: string | undefined

  read(text: string, start: number, end: number): void {
    this.#text = text
    this.#start = start
    this.#end = end
    this.#timestamp = undefined
    this.#message = undefined
    if (!this.#readEnd()) this.#parse()
  }

  /** As {@link read}, for a line that is wanted: parsed at once. */
  readAll(text: string, start: number, end: number): void {
    this.#text = text
    this.#start = start
    this.#end = end
    this.#parse()
  }

  get timestamp(): string {
    if (this.#timestamp === undefined) this.#parse()
    return this.#timestamp ?? ""
  }

  get message(): string {
    if (this.#message === undefined) this.#parse()
    return this.#message ?? ""
  }

  #readEnd(): boolean {
    const text = this.#text
    const timeEnd = this.#end - 2
    if (!text.startsWith("\"}", timeEnd) || !text.startsWith(messageKey, this.#start)) return false
    const time = text.lastIndexOf("\"", timeEnd - 1) + 1
    const streamEnd = time - timestampKey.length
    if (!text.startsWith(timestampKey, streamEnd)) return false
    const stream = text.lastIndexOf("\"", streamEnd - 1) + 1
    const messageEnd = stream - streamKey.length
    if (messageEnd < this.#start + messageKey.length || !text.startsWith(streamKey, messageEnd)) return false
    const name = text.slice(stream, streamEnd)
    const timestamp = text.slice(time, timeEnd)
    if (name.includes("\\") || timestamp.includes("\\")) return false
    this.kind = "line"
    this.stream = name
    this.#timestamp = timestamp
    return true
  }

  #parse(): void {
    const event = parse(this.#text.slice(this.#start, this.#end))
    this.#timestamp = ""
    this.#message = ""
    if (typeof event !== "object" || event === null || Array.isArray(event)) {
      this.kind = "no object"
      return
    }
    // Checked by hand, not by a schema: this runs for every line, and a schema costs half of the throughput.
    const { message, stream, timestamp } = event as { message?: unknown; stream?: unknown; timestamp?: unknown }
    if (stream === "error") {
      // A failure is one whatever its words are.
      this.kind = "line"
      this.stream = stream
      this.#message = typeof message === "string" ? message : "Stream error"
    } else if (message === undefined && stream === undefined) {
      this.kind = "none"
    } else if (typeof message !== "string" || typeof stream !== "string" || typeof timestamp !== "string") {
      this.kind = "no text"
    } else {
      this.kind = "line"
      this.stream = stream
      this.#timestamp = timestamp
      this.#message = message
    }
  }
}

const messageKey = "{\"message\":\""
const streamKey = "\",\"stream\":\""
const timestampKey = "\",\"timestamp\":\""

const parse = (data: string): unknown => {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}
