/**
 * Makes log lines of the bytes of one connection.
 */
import { ApiError } from "../../errors/ApiError.ts"
import { InvalidResponse } from "../../errors/InvalidResponse.ts"
import { LogGap } from "../../errors/LogGap.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import { type EventHandler, EventReader, maxEventBytes } from "./EventReader.ts"
import { joined } from "./joined.ts"
import { LogEvent, maxName, parseLine } from "./LogEvent.ts"
import { lastOf } from "./LogMark.ts"
import type { LogPosition } from "./LogPosition.ts"
import { maxStreams, type Replay, type Verdict } from "./Replay.ts"

/** Why nothing more is read of a connection, though it goes on. */
export type Stop =
  /** What the service sends cannot be understood. */
  | InvalidResponse
  /** The service says that its own reader failed. */
  | ApiError
  /** Lines may be missing. */
  | LogGap
  /** The place was not found by counting: connect again and go by times. */
  | "distrust"

/** Options of {@link LogReader}. */
export interface LogReaderOptions {
  readonly operation: string
  readonly position: LogPosition
  readonly replay: Replay
  readonly onGap: "fail" | "continue"
  /** Makes words of the service fit for an error. */
  readonly showable: (words: string) => string
}

/** Reads the bytes of one connection, and moves the position behind the lines of each read. */
export class LogReader implements EventHandler {
  /** Why no more is read. What {@link read} returned before is still to be handed out. */
  stop: Stop | undefined
  /** The gaps that were passed since this was emptied last. */
  gaps: Array<LogGap> = []
  /** How long the service wants to be left alone before a new connection, in milliseconds. */
  retryMillis: number | undefined
  readonly #options: LogReaderOptions
  readonly #event = new LogEvent()
  readonly #reader: EventReader = new EventReader(this)
  #entries: Array<LogEntry> = []
  /** How many of the entries the position is behind. */
  #settled = 0
  /** Whether the stream of the last line that was looked at has reached its place. */
  #live = false
  /** Whether the body begins as a page or an object of JSON does, and no event was found in it. */
  #foreign: boolean | undefined

  constructor(options: LogReaderOptions) {
    this.#options = options
  }

  onData(text: string, start: number, end: number): void {
    if (this.stop === undefined) this.#read(text, start, end)
  }

  onRetry(millis: number): void {
    this.retryMillis = millis
  }

  /** The lines of the next bytes that are not known yet. */
  read(chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<LogEntry> {
    this.#foreign ??= beginnings.has(chunks[0]?.[0] ?? 0)
    for (const bytes of areSmall(chunks) ? [joined(chunks)] : chunks) {
      if (this.stop !== undefined) break
      if (!this.#reader.feed(bytes)) this.stop ??= this.#invalid(`an event is longer than ${maxEventBytes} bytes`)
    }
    this.#settle()
    // A log may be silent for hours now, and holds nothing of what was read.
    const entries = this.#entries
    this.#entries = []
    this.#settled = 0
    this.#event.clear()
    return entries
  }

  /**
   * No more bytes come. Returns whether they end inside an event, which is how a cut looks that nobody reports, or are no
   * events at all.
   */
  finish(): boolean {
    return this.#reader.finish() || this.#foreign === true
  }

  /** The connection had the time to bring all that there is: what is counted in vain goes by times then. */
  finishReplay(): void {
    this.#options.replay.finish()
  }

  /** Whether lines were held back that may be none. */
  get heldBack(): boolean {
    return this.#options.replay.tookWords
  }

  /** The gap at the end of a log, where it ended before the place that was read to; passed where that is wanted. */
  end(): LogGap | undefined {
    const { onGap, replay } = this.#options
    const place = replay.missing
    if (place === undefined) return undefined
    replay.accept()
    const gap = this.#gap(place.stream, undefined)
    if (onGap === "continue") this.gaps.push(gap)
    return gap
  }

  #read(text: string, start: number, end: number): void {
    const { replay } = this.#options
    if (this.#live) {
      // The stream of the last line has reached its place, so the next line is wanted too: no look at its end first.
      const line = parseLine(text.slice(start, end))
      if (line !== undefined) {
        const { message, stream, timestamp } = line
        if (replay.isLive(stream)) {
          this.#entries.push({ message, timestamp, stream })
          return
        }
        this.#event.set(line)
        return this.#judge(this.#event)
      }
    }
    this.#event.read(text, start, end)
    const { kind, stream } = this.#event
    if (kind === "line" && stream !== "error" && replay.skips(stream)) return
    this.#judge(this.#event)
  }

  #judge(event: LogEvent): void {
    this.#settle()
    this.#foreign = false
    if (event.kind !== "line") return this.#refuse(event)
    if (event.stream === "error") {
      this.stop = new ApiError({
        operation: this.#options.operation,
        status: 200,
        reason: this.#options.showable(event.message),
        retryable: true,
        outcome: "none"
      })
      return
    }
    const verdict = this.#options.replay.judge(event)
    this.#live = verdict === "live"
    if (verdict === "gap") this.#pass(event)
    else this.#follow(verdict, event)
  }

  /** Moves the position behind the lines that were taken without a look. */
  #settle(): void {
    if (this.#settled === this.#entries.length) return
    this.#options.replay.take(this.#entries, this.#settled)
    this.#settled = this.#entries.length
  }

  #follow(verdict: Verdict, event: LogEvent): void {
    if (verdict === "live") this.#give(event, { judged: false })
    else if (verdict === "new") this.#give(event, { judged: true })
    else if (verdict === "distrust") this.stop = "distrust"
    else if (verdict === "crowded") this.stop = this.#invalid(`the log has more than ${maxStreams} streams`)
  }

  #refuse(event: LogEvent): void {
    // A heartbeat, which later dialects send, has no message: it is not a line.
    if (event.kind === "no object") this.stop = this.#invalid("an event of the log is not a JSON object")
    if (event.kind === "no text") {
      this.stop = this.#invalid(
        `an event of the log has no text in message, stream or timestamp, or more than ${maxName} characters in the last two`
      )
    }
  }

  #give(event: LogEvent, { judged }: { readonly judged: boolean }): void {
    const entry: LogEntry = { message: event.message, timestamp: event.timestamp, stream: event.stream }
    if (event.kind !== "line") return this.#refuse(event)
    this.#entries.push(entry)
    if (!judged) return
    this.#options.replay.takeJudged(entry)
    this.#settled++
  }

  #pass(event: LogEvent): void {
    const { onGap, replay } = this.#options
    replay.accept()
    const gap = this.#gap(event.stream, event.timestamp)
    if (onGap === "fail") {
      this.stop = gap
      return
    }
    this.gaps.push(gap)
    this.#follow(replay.judgeAgain(event), event)
  }

  #gap(stream: string, before: string | undefined): LogGap {
    const { operation, position } = this.#options
    const place = position.places.get(stream)
    return new LogGap({
      operation,
      id: position.id,
      stream,
      after: lastOf(place?.marks ?? []).timestamp,
      before,
      linesBefore: place?.lines,
      cursor: position.cursor
    })
  }

  #invalid(reason: string): InvalidResponse {
    return new InvalidResponse({ operation: this.#options.operation, reason, status: 200, outcome: "none" })
  }
}

/** One event a write comes as many small pieces at once: decoded by itself, each would cost as much as its line. */
const areSmall = (chunks: ReadonlyArray<Uint8Array>): boolean =>
  chunks.length > 1 && chunks.reduce((bytes, chunk) => bytes + chunk.length, 0) / chunks.length < 4096

/** `<` and `{`: a line of an event begins with neither. */
const beginnings = new Set([60, 123])
