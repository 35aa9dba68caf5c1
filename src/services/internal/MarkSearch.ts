import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"
import type { LogEvent } from "./LogEvent.ts"
import { earliest, isLine, isMessage, type IsYoung, type Mark, marksBehind, maxMarks, type RunMark } from "./LogMark.ts"
import type { LogPlace } from "./LogPlace.ts"
import type { LogPosition } from "./LogPosition.ts"

/**
 * What a line is.
 *
 * - `"old"`: it was read, or is taken for a word.
 * - `"last"`: it is the last one that was read.
 * - `"like last"`: it is, or is the same as it: should the next one be the same too, none can tell.
 * - `"maybe"`: it is new or a word, and the place may still come.
 * - `"new"`: the place is before it.
 * - `"gap"`: the place did not come before it.
 * - `"distrust"`: nor did it, but other lines may have been skipped by their number.
 */
export type Found = "old" | "last" | "like last" | "maybe" | "new" | "gap" | "distrust"

/** How many lines that cannot be told from words are taken for some, or handed out, while the place may still come. */
const maxWords = 3

/**
 * Looks on a connection for the place of a stream: behind the last of its marks that the log still holds. A word is a
 * mark as any line is, but no other connection brings it.
 *
 * What is in doubt, and where it is kept:
 *
 * - `young` of a mark: it may be a word, and then does not come; `undefined` where that is not known.
 * - `unsure` of a place: so it is of all that was read.
 * - `partial` of a mark: lines of its time may stand before those that were read.
 * - `reachesBack` here: whether the log still holds what was read; if not, lines may be missing.
 */
export class MarkSearch {
  readonly #place: LogPlace
  readonly #position: LogPosition
  readonly #isYoung: IsYoung
  /** Whether lines were skipped by their number. */
  readonly #counted: boolean
  /** Whether lines came that ssh greets with. */
  readonly #greeted: boolean
  /** The marks as they were when the connection began. Copies, which go back to the place as they come. */
  readonly #marks: ReadonlyArray<RunMark>
  /** How many of them stand up to the last one that is in the log for certain. */
  readonly #certain: number
  /** How many stand up to the last one of which that is known. */
  readonly #known: number
  /** What is older than this stands before the marks. */
  readonly #floor: string
  /** How many lines of the log came, and the first of them. */
  #seen: number
  #first: Mark | undefined
  /** The index of the mark that is to come next, behind the one before it; `undefined` where that is not known. */
  #next: number | undefined
  /** How many lines came that have the time of the mark before that. */
  #run = 0
  /** The marks that came. */
  readonly #met = new Set<RunMark>()
  /** Whether something came that stands before the last mark: so the log reaches back far enough. */
  #reachesBack: boolean
  /** How many lines in a row were taken for words. */
  #words = 0
  /** What was handed out while the place may still come. */
  #given: ReadonlyArray<LogEntry> = []

  /**
   * `counted`: how many lines were skipped by their number; then the marks are to come. `greeted`: how many lines ssh
   * greeted with.
   */
  constructor(place: LogPlace, position: LogPosition, isYoung: IsYoung, counted: number, greeted: number) {
    this.#place = place
    this.#position = position
    this.#isYoung = isYoung
    this.#counted = counted > 0
    this.#greeted = greeted > 0
    this.#certain = place.marks.findLastIndex(({ young }) => young !== true) + 1
    this.#known = place.marks.findLastIndex(({ young }) => young === false) + 1
    // What is younger than a mark behind it may be a word, too.
    this.#marks = place.marks.map((mark, at, marks) => ({
      ...mark,
      young:
        marks.slice(at + 1, this.#certain).some(({ timestamp }) => Timestamp.compare(timestamp, mark.timestamp) < 0) ||
        mark.young
    }))
    this.#floor = earliest(place.marks)
    this.#seen = counted
    this.#next = place.unsure || counted === place.linesBefore ? 0 : undefined
    this.#reachesBack = place.unsure || counted > 0 || greeted > (place.linesBefore ?? greeted)
  }

  /** Whether the place is here unless more marks come, which may all be words. */
  get isHere(): boolean {
    return this.#reachesBack && this.#passed !== undefined && (this.#next ?? 0) >= this.#known
  }

  /** Whether lines were taken for words that may be none. */
  get tookWords(): boolean {
    return this.#words > 0
  }

  /** Looks at the next line. If it is the last one or new, the place is found, and lies behind what came before. */
  judge(line: LogEvent): Found {
    const found = this.#judge(line)
    if (found === "new" && this.#seen === 0) {
      this.#first = this.#given[0] ?? { message: line.message, timestamp: line.timestamp }
      // The stream begins with this connection, and so with what ssh greets with.
      if (!this.#greeted && this.#place.stream !== "stdout" && this.#given.every(this.#isYoung)) {
        this.#place.greeting.begin(this.#given)
      }
    }
    if (found === "new" || found === "last" || found === "like last") this.#arrive()
    return found
  }

  /** Goes behind a line that may be new. What is in the log is not given up for it. */
  give(line: LogEntry): void {
    this.#given = [...this.#given, line]
    const [first, ...rest] = [...this.#marks.slice(Math.max(0, (this.#next ?? 0) - 1)), ...this.#givenMarks]
    if (first === undefined) return
    // It came: it is no word.
    if (this.#next !== undefined && this.#next > 0) first.young = false
    this.#place.lines = this.#seen + this.#given.length
    // Both those that may still come and those that may be words: twice as many as a place has.
    this.#place.marks = [first, ...rest.slice(1 - 2 * maxMarks)]
  }

  /** Goes behind what came. The log does not hold the marks that did not. */
  #arrive(): void {
    const [place, passed] = [this.#place, this.#passed]
    if (passed !== undefined) Object.assign(passed, { run: this.#run, partial: false })
    for (const mark of this.#marks.slice(0, this.#next ?? 0)) mark.young = false
    place.lines = this.#seen + this.#given.length
    place.first = this.#first ?? place.first
    place.marks = [...this.#marks.filter((mark) => this.#met.has(mark)), ...this.#givenMarks].slice(-maxMarks)
    place.gap = false
  }

  /** Each of them may be a word. */
  get #givenMarks(): ReadonlyArray<RunMark> {
    return marksBehind([], this.#given, () => true)
  }

  /** The mark that came last, once as many lines of its time did as were read. */
  get #passed(): RunMark | undefined {
    const mark = this.#next === undefined ? undefined : this.#marks[this.#next - 1]
    return mark !== undefined && this.#met.has(mark) ? mark : undefined
  }

  #judge(line: LogEvent): Found {
    const { first, lines, unsure } = this.#place
    const passed = this.#passed
    // By its time: another log may begin with the same text.
    if (this.#seen === 0 && lines !== undefined && isLine(first, line)) this.#reachesBack = true
    if (passed === undefined && !unsure && Timestamp.compare(line.timestamp, this.#floor) < 0) {
      // There are more lines before the marks than were read.
      if (this.#next === 0) this.#next = undefined
      return this.#before(line)
    }
    const index = this.#marks.findIndex((mark, at) =>
      at + 1 >= (this.#next ?? 0) && (mark !== passed || (mark.partial && at + 1 < this.#certain)) &&
      Timestamp.same(mark.timestamp, line.timestamp)
    )
    const mark = this.#marks[index]
    return mark === undefined ? this.#judgeOther(line) : this.#meet(mark, index, line)
  }

  /** The line has the time of a mark. */
  #meet(mark: RunMark, index: number, line: LogEvent): Found {
    const { gap } = this.#place
    const isLast = index === this.#marks.length - 1
    if (index + 1 !== this.#next) {
      // Words are no lines: what stands behind nothing else is the first line.
      this.#reachesBack ||= mark.partial || this.#next !== undefined &&
          (this.#next > 0 || this.#marks.slice(0, index).every(({ young }) => young))
      this.#next = index + 1
      this.#run = 0
      // What was taken for it, by its text, was not it.
      this.#met.delete(mark)
    }
    this.#words = 0
    // They were words, as this line is from before the place.
    this.#given = []
    if (isLast && !this.#reachesBack && !mark.partial && !gap) return this.#miss()
    const isWhole = this.#run + 1 >= mark.run
    // Where more may stand before those that were read, all of that time are known, as long as a later mark is left that
    // is no word.
    const isKnown = isWhole && ((mark.partial && index + 1 < this.#certain) || isMessage(mark, line.message))
    if (isWhole && !isKnown && !mark.partial) return this.#miss()
    this.#run++
    this.#count(line)
    if (!isKnown) return "old"
    this.#met.add(mark)
    this.#place.unsure = false
    if (!isLast) return "old"
    return mark.partial && !gap ? "like last" : "last"
  }

  /** The line has the time of no mark. */
  #judgeOther(line: LogEvent): Found {
    const { gap, unsure } = this.#place
    const isYoung = this.#isYoung(line)
    if (isYoung && this.#next !== undefined && this.#given.length === 0) {
      const mark = this.#wordOf(this.#next, line)
      if (mark !== undefined) return this.#meetWord(mark)
      // Lines that the service stamped at one time are one mark, which has the text of the last.
      if (!gap && !unsure && this.#words + 1 < (this.#marks[this.#next]?.run ?? 0)) return this.#takeForWord()
    }
    if (this.isHere) {
      // Or ssh says something before the next mark comes.
      return isYoung && !Timestamp.same(this.#passed?.timestamp ?? "", line.timestamp) ? this.#maybe() : "new"
    }
    const isLater = (mark: RunMark) => !this.#met.has(mark) && Timestamp.compare(line.timestamp, mark.timestamp) < 0
    if (unsure) {
      if (this.#position.isUnasked(line)) return this.#count(line)
      // What is older than a mark that did not come yet does not stand behind it.
      return isYoung || this.#marks.some(isLater) ? this.#maybe() : "new"
    }
    if (this.#marks.slice(0, this.#certain).some(isLater)) {
      // The marks stand together: what came as one of them was none.
      this.#next = undefined
      return this.#before(line)
    }
    return isYoung && !gap && this.#words < maxWords ? this.#takeForWord() : this.#miss()
  }

  /** The mark that the line may be, with another time than it had before. */
  #wordOf(next: number, { message }: LogEvent): RunMark | undefined {
    return this.#marks.find((mark, at) =>
      at >= next && (mark.young !== false || (at === 0 && this.#seen === 0)) && !this.#met.has(mark) &&
      this.#words < mark.run && isMessage(mark, message)
    )
  }

  #meetWord(mark: RunMark): Found {
    this.#met.add(mark)
    this.#reachesBack = true
    this.#words = 0
    // What came twice is in the log, and counts; but ssh may greet with the same words as before.
    if (this.#seen > 0) this.#seen++
    return this.#met.size === this.#marks.length ? "last" : "old"
  }

  /** It is not counted: another connection may not bring it. */
  #takeForWord(): Found {
    this.#words++
    return "old"
  }

  /** The line stands before the place. */
  #before(line: LogEvent): Found {
    this.#reachesBack = true
    this.#words = 0
    return this.#count(line)
  }

  /** The message is not asked for, where it is not needed: it would have to be parsed. */
  #count(line: LogEvent): Found {
    if (this.#seen++ === 0) this.#first = { message: line.message, timestamp: line.timestamp }
    return "old"
  }

  #maybe(): Found {
    return this.#given.length === maxWords ? "new" : "maybe"
  }

  #miss(): Found {
    if (this.#place.gap) {
      // It was told of: here the stream begins anew.
      this.#place.unsure = false
      this.#met.clear()
      return "new"
    }
    if (!this.#counted) return "gap"
    this.#place.lines = undefined
    return "distrust"
  }
}
