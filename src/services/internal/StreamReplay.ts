import type { LogEntry } from "../../schema/LogEntry.ts"
import type { LogEvent } from "./LogEvent.ts"
import { isLine, type IsYoung, lastOf, type Mark } from "./LogMark.ts"
import type { LogPlace } from "./LogPlace.ts"
import type { LogPosition } from "./LogPosition.ts"
import { MarkSearch } from "./MarkSearch.ts"

/**
 * What to do with a line of a connection.
 *
 * - `"live"`: hand it out, as all that follow of its stream.
 * - `"new"`: hand it out.
 * - `"old"`: it was handed out before.
 * - `"gap"`: lines before it may be missing.
 * - `"distrust"`: the count of lines does not fit, or lines were taken for words that were none; begin again.
 */
export type Verdict = "live" | "new" | "old" | "gap" | "distrust"

/** How a stream is read on a connection. */
type Mode =
  /** All its lines are new. */
  | { readonly is: "live" }
  /** None was read before. What is older than what was asked for is skipped: so many lines, and the first of them. */
  | { readonly is: "unasked"; skipped: number; first: Mark | undefined }
  /** Nothing of the log came yet, but so many lines of the greeting. */
  | { readonly is: "greeting"; readonly came: number }
  /** Its place is looked for. */
  | { readonly is: "searching"; readonly search: MarkSearch }
  /** It has reached its place, unless the next line is the same as the last. */
  | { readonly is: "in doubt"; readonly last: Mark }

const live: Mode = { is: "live" }

/** Finds on a connection where one stream was read to. */
export class StreamReplay {
  readonly stream: string
  readonly #position: LogPosition
  readonly #whole: boolean
  readonly #isYoung: IsYoung
  #place: LogPlace | undefined
  #mode: Mode
  /** How many lines are still to be skipped by their number, before the place is searched. */
  #left = 0

  /** `whole`: the connection begins with the first line of the log. */
  constructor(stream: string, position: LogPosition, whole: boolean, isYoung: IsYoung) {
    this.stream = stream
    this.#position = position
    this.#whole = whole
    this.#isYoung = isYoung
    this.#place = position.places.get(stream)
    if (this.#place !== undefined) this.#place.greeting.isOpen = false
    this.#mode = !whole ? live : this.#place === undefined ? this.#unread() : { is: "greeting", came: 0 }
  }

  get isLive(): boolean {
    return this.#mode.is === "live"
  }

  /** Whether the place is still to come: the log may have lost it. */
  get isUnfinished(): boolean {
    return this.#mode.is === "greeting" || this.#mode.is === "searching"
  }

  /** Whether it is here all the same, if nothing more comes. */
  get isHere(): boolean {
    return this.#mode.is === "searching" && this.#mode.search.isHere
  }

  /** Whether lines were taken for words that may be none. */
  get tookWords(): boolean {
    return this.#mode.is === "searching" && this.#mode.search.tookWords
  }

  /** Whether the next line is known by its number alone. */
  skips(): boolean {
    if (this.#left === 0) return false
    this.#left--
    return true
  }

  /** Looks at the next line. */
  judge(line: LogEvent): Verdict {
    const [mode, place] = [this.#mode, this.#place]
    if (this.skips()) return "old"
    if (mode.is === "unasked") {
      if (!this.#position.isUnasked(line)) return "new"
      // The message first: then the line is parsed, and its time is no part of the text of many events.
      if (mode.skipped++ === 0) mode.first = { message: line.message, timestamp: line.timestamp }
      return "old"
    }
    if (mode.is === "in doubt") {
      this.#mode = live
      return isLine(mode.last, line) ? "gap" : "live"
    }
    if (place === undefined || mode.is === "live") return "live"
    return mode.is === "greeting" ? this.#greet(mode.came, place, line) : this.#search(mode.search, place, line)
  }

  /** Goes behind a line that is `"new"`. */
  give(line: LogEntry): void {
    const mode = this.#mode
    if (mode.is === "searching") mode.search.give(line)
    if (mode.is !== "unasked") return
    this.#place = this.#position.begin(line, mode.skipped + 1, this.#isYoung(line))
    this.#place.first = mode.first ?? this.#place.first
    this.#mode = live
  }

  /** Goes behind lines that are `"live"`. */
  take(lines: ReadonlyArray<LogEntry>): void {
    const [first] = lines
    if (first === undefined) return
    if (this.#place !== undefined) return this.#place.move(lines, this.#isYoung)
    this.#place = this.#position.begin(first, this.#whole ? 1 : undefined, this.#isYoung(first))
    this.#place.move(lines.slice(1), this.#isYoung)
  }

  /** The connection is over. Where it ended while lines were counted, there may be fewer of them: the next goes by times. */
  finish(): void {
    if (this.#left > 0 && this.#place !== undefined) this.#place.lines = undefined
  }

  #unread(): Mode {
    return this.#position.since === undefined ? live : { is: "unasked", skipped: 0, first: undefined }
  }

  #greet(came: number, place: LogPlace, line: LogEvent): Verdict {
    const { first, greeting, linesBefore = 0, marks } = place
    if (greeting.comes(came, line, first, this.#isYoung)) {
      this.#mode = { is: "greeting", came: came + 1 }
      if (greeting.isAll(came + 1, lastOf(marks))) {
        // Nothing else was read: the stream begins behind it, and `begin` goes on with the place that is there.
        place.unsure = true
        this.#place = undefined
        this.#mode = this.#unread()
      }
      return "old"
    }
    // By its time: another log may begin with the same text.
    this.#left = isLine(first, line) ? linesBefore : 0
    this.#mode = { is: "searching", search: new MarkSearch(place, this.#position, this.#isYoung, this.#left, came) }
    return this.judge(line)
  }

  #search(search: MarkSearch, place: LogPlace, line: LogEvent): Verdict {
    const found = search.judge(line)
    switch (found) {
      case "maybe":
        return "new"
      case "new":
        this.#mode = live
        return "live"
      case "last":
        this.#mode = live
        return "old"
      case "like last":
        this.#mode = { is: "in doubt", last: lastOf(place.marks) }
        return "old"
      default:
        return found
    }
  }
}
