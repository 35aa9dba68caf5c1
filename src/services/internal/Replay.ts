import { hashOf } from "../../schema/LogCursor.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"
import type { LogEvent } from "./LogEvent.ts"
import {
  earliest,
  isMessage,
  lastOf,
  type LogPosition,
  type Mark,
  type Marked,
  maxMarks,
  mayBeStamped,
  move,
  type Place
} from "./LogPosition.ts"

/**
 * What to do with a line of a connection.
 *
 * - `"live"`: hand it out, as all that follow of its stream.
 * - `"new"`: hand it out.
 * - `"old"`: it was handed out before.
 * - `"gap"`: lines before it may be missing.
 * - `"crowded"`: there are more streams than a log may have.
 * - `"distrust"`: the count of lines does not fit, or lines were taken for words that were none; begin again.
 */
export type Verdict = "live" | "new" | "old" | "gap" | "crowded" | "distrust"

/** The most streams that a log may have; there are two. */
export const maxStreams = 64

/** How many lines that cannot be told from words of the way to the container are taken for such before the place. */
const maxWords = 3

/** How a stream is read on this connection. */
interface Course {
  readonly stream: string
  place: Place | undefined
  /**
   * - `"new"`: it has reached its place.
   * - `"count"`: as many lines are skipped as were read before the marks; the first of them is compared.
   * - `"mark"`: lines are skipped by their time, up to the marks, and there the last one is looked for.
   * - `"since"`: lines are skipped that are older than what was asked for.
   */
  mode: "new" | "count" | "mark" | "since"
  /** How many lines of the stream came on this connection. */
  seen: number
  first: Mark | undefined
  /** The marks of the place, as they were when the connection began, and how many lines stand before them. */
  readonly marks: ReadonlyArray<Marked>
  readonly young: number | undefined
  readonly ahead: number
  /** Whether they were skipped by their number. */
  counted: boolean
  /** What is older than this stands before the marks. */
  readonly floor: string
  /** The mark that was met last: -1 where the next line is to be the first of them, -2 where that is not known. */
  at: number
  /** How many lines in a row had the time of that mark, and whether it was passed. */
  run: number
  passed: boolean
  /** Whether something came that stands before the last mark, so that the log reaches back far enough. */
  behind: boolean
  /** The marks that came. */
  readonly met: Set<Marked>
  /** How many lines were handed out that may be new or words, and the marks that they would be. */
  given: number
  fresh: ReadonlyArray<Marked>
  /** How many lines in a row were taken for words of the way to the container. */
  words: number
  /** How many lines of the greeting came, while nothing else did; then -1. */
  greeted: number
  /** Whether the next line, if it is the same as the last, shows that the place is not certain. */
  doubt: boolean
  /** How many of the lines that are being taken are of the stream, and where the last of them is. */
  count: number
  last: number
}

/**
 * Finds on a new connection, which begins with the log's first line again, where each stream was read to.
 *
 * A line whose time could not be read by the service bears the time at which the service met it, another one on each
 * connection. Such a line is known by its text, and by being younger than the connection. What ssh says when the way to
 * the container breaks is one of them, and no other connection brings it again: so the place is not behind the last line
 * that was read, but behind the last one of the marks that the log still holds.
 */
export class Replay {
  readonly #position: LogPosition
  readonly #whole: boolean
  readonly #connectedAt: number
  /** No map: there are two streams, and each line looks for its own. */
  readonly #courses: Array<Course> = []

  /**
   * `whole`: the connection begins with the first line of the log, not with its last ones. `connectedAt`: when it began,
   * by the service's clock.
   */
  constructor(position: LogPosition, whole: boolean, connectedAt: number) {
    this.#position = position
    this.#whole = whole
    // The service tells its time in whole seconds.
    this.#connectedAt = connectedAt - 2000
  }

  /** Whether a stream has reached its place: then its lines are new, and need no look. */
  isLive(stream: string): boolean {
    const course = this.#find(stream)
    return isLive(course) && this.#courses.length <= maxStreams
  }

  /** Whether the next line of a stream is known by its number alone; then it is counted, and {@link judge} not asked. */
  skips(stream: string): boolean {
    const course = this.#find(stream)
    if (course.mode !== "count" || course.seen === 0 || course.seen >= course.ahead) return false
    course.seen++
    return true
  }

  /** Looks at the next line. What is handed out has to be followed: by {@link take} if it is `"live"`, else {@link takeJudged}. */
  judge(line: LogEvent): Verdict {
    const course = this.#find(line.stream)
    if (this.#courses.length > maxStreams) return "crowded"
    if (isLive(course)) return "live"
    if (this.#greets(course, line)) return "old"
    course.seen++
    // The message first: then the line is parsed, and its time is no part of the text of many events.
    course.first ??= { message: line.message, timestamp: line.timestamp }
    return this.#judge(course, line)
  }

  /** Whether the line is the next one of the greeting: it is none of the log, and not counted. */
  #greets(course: Course, line: LogEvent): boolean {
    const { greeted, marks, place } = course
    if (greeted === -1 || place === undefined) return false
    const expected = place.greeting[greeted]
    const isBehind = !Timestamp.same(place.first.timestamp, place.greeting[0]?.timestamp ?? "")
    const comes = expected !== undefined && hashOf(line.message) === expected.hash && (
      // In the log after all, where the clock of its machine was set back behind it.
      (isBehind && Timestamp.same(line.timestamp, expected.timestamp)) ||
      (this.#isStamped(line) && Timestamp.compare(line.timestamp, lastOf(marks).timestamp) > 0 &&
        !Timestamp.same(line.timestamp, place.first.timestamp))
    )
    course.greeted = comes ? greeted + 1 : -1
    // What does not come again was none.
    if (!comes && (!isBehind || greeted > 0)) place.greeting.length = greeted
    // Nothing was read but the greeting.
    if (!isBehind && course.greeted === place.greeting.length && place.lines === course.greeted) place.unsure = true
    return comes
  }

  /** Goes behind a line that was judged. */
  takeJudged(entry: LogEntry): void {
    const course = this.#find(entry.stream)
    const lines = this.#whole ? course.seen : undefined
    if (course.place === undefined) {
      course.place = this.#position.begin(entry, lines, this.#isStamped(entry))
      // Lines may have been skipped before it, which nobody asked for.
      if (course.first !== undefined) course.place.first = course.first
    } else {
      this.#takeBehind(course, course.place, entry, lines)
    }
  }

  #takeBehind(course: Course, place: Place, entry: LogEntry, lines: number | undefined): void {
    if (course.mode !== "mark") {
      course.seen -= move(place, [entry], 0, 1, lines, this.#isStamped)
      return
    }
    const { unsure } = place
    place.marks = course.fresh
    move(place, [entry], 0, 1, lines, this.#isStamped)
    course.fresh = place.marks
    // What is older than a mark that did not come yet does not stand behind it.
    const isBefore = course.marks.some((mark) =>
      !course.met.has(mark) && Timestamp.compare(entry.timestamp, mark.timestamp) < 0
    )
    if (course.given++ === maxWords || (!isBefore && !this.#isStamped(entry))) {
      this.#arrive(course, place, course.fresh, "new")
      return
    }
    // It may be a word, and marks that did not come yet may be none: what is in the log is not given up for it.
    const { at, fresh, marks } = course
    const met = marks[at]
    place.unsure = unsure
    place.marks = met === undefined
      ? [...marks, ...fresh].slice(0, 2 * maxMarks)
      : [met, ...[...marks.slice(at + 1), ...fresh].slice(1 - 2 * maxMarks)]
    place.young = Math.min(place.marks.length - (met === undefined ? 0 : 1), (course.young ?? 0) + fresh.length)
  }

  /** Goes behind the lines from a place on, whose streams are live. What a place costs is not paid for each line. */
  take(entries: ReadonlyArray<LogEntry>, from: number): void {
    const courses: Array<Course> = []
    for (let index = from; index < entries.length; index++) {
      const entry = entries[index]
      if (entry === undefined) break
      const course = this.#find(entry.stream)
      if (course.place === undefined) {
        course.seen++
        course.place = this.#position.begin(entry, this.#whole ? course.seen : undefined, this.#isStamped(entry))
        continue
      }
      if (course.count++ === 0) courses.push(course)
      course.last = index
    }
    for (const course of courses) {
      course.seen += course.count
      if (course.place !== undefined) {
        const lines = this.#whole ? course.seen : undefined
        course.seen -= move(course.place, entries, course.last, course.count, lines, this.#isStamped)
      }
      course.count = 0
    }
  }

  /** Accepts that lines are missing, in all streams that have not reached their place. */
  accept(): void {
    for (const place of this.#unfinished()) place.gap = true
  }

  /** Looks at a line once more, after {@link accept}. */
  judgeAgain(line: LogEvent): Verdict {
    // What was taken for words may be lines behind the gap.
    if (this.tookWords) return "distrust"
    return this.#judge(this.#find(line.stream), line)
  }

  /** The connection is over. Where it ended while lines were counted, there may be fewer of them: the next goes by times. */
  finish(): void {
    for (const { mode, place, seen } of this.#courses) {
      if (mode === "count" && seen > 0 && place !== undefined) place.lines = undefined
    }
  }

  /** Whether lines were taken for words, of which it is not certain that they are some. */
  get tookWords(): boolean {
    return this.#courses.some((course) => isSkipping(course) && course.words > 0)
  }

  /** A stream whose place the log ended before, though a gap was not reported. */
  get missing(): Place | undefined {
    return this.#unfinished().find(({ gap, stream, unsure }) => {
      const course = this.#courses.find((one) => one.stream === stream)
      // Behind a mark that was passed, the log may have nothing that was read.
      const found = course !== undefined && course.passed && course.behind &&
        course.at + 1 + (course.young ?? 0) >= course.marks.length
      return !gap && !unsure && !found
    })
  }

  #unfinished(): ReadonlyArray<Place> {
    return [...this.#position.places.values()].filter(({ stream }) => {
      const course = this.#courses.find((one) => one.stream === stream)
      return course === undefined || isSkipping(course)
    })
  }

  #find(stream: string): Course {
    for (const course of this.#courses) if (course.stream === stream) return course
    const place = this.#position.places.get(stream)
    // The greeting is that of the connection on which the place began.
    if (place !== undefined) place.greets = false
    const { lines, marks, unsure, young } = place ?? { lines: undefined, marks: [], unsure: false, young: 0 }
    const ahead = lines === undefined ? 0 : marks.reduce((left, { run }) => left - run, lines)
    const course: Course = {
      stream,
      place,
      mode: this.#modeOf(place, ahead),
      seen: 0,
      first: undefined,
      marks,
      young,
      ahead,
      counted: false,
      floor: earliest(marks),
      at: unsure || (lines !== undefined && ahead <= 0) ? -1 : -2,
      run: 0,
      passed: false,
      behind: false,
      met: new Set(),
      given: 0,
      fresh: [],
      words: 0,
      greeted: 0,
      doubt: false,
      count: 0,
      last: 0
    }
    this.#courses.push(course)
    return course
  }

  #modeOf(place: Place | undefined, ahead: number): Course["mode"] {
    if (!this.#whole) return "new"
    if (place === undefined) return this.#position.since === undefined ? "new" : "since"
    return ahead > 0 ? "count" : "mark"
  }

  #judge(course: Course, line: LogEvent): Verdict {
    const { place } = course
    if (course.mode === "since") return this.#isUnasked(line) ? "old" : "new"
    if (course.mode === "new" || place === undefined) {
      if (!course.doubt || place === undefined) return "new"
      course.doubt = false
      return isSame(lastOf(place.marks), line) && !place.gap ? "gap" : "new"
    }
    if (course.seen === 1 && place.lines !== undefined) {
      // By its time: another log may begin with the same text.
      course.behind ||= isSame(place.first, line)
      if (!course.behind) course.mode = "mark"
    }
    if (course.mode === "count") {
      if (course.seen <= course.ahead) return "old"
      course.mode = "mark"
      course.counted = true
      course.at = -1
    }
    return this.#judgeMark(course, place, line)
  }

  #judgeMark(course: Course, place: Place, line: LogEvent): Verdict {
    if (!course.passed && !place.unsure && Timestamp.compare(line.timestamp, course.floor) < 0) {
      course.behind = true
      course.words = 0
      if (course.at === -1) course.at = -2
      return "old"
    }
    const { marks } = course
    for (let index = Math.max(course.at, 0); index < marks.length; index++) {
      if (index === course.at && course.passed && marks[index]?.partial !== true) continue
      if (Timestamp.same(marks[index]?.timestamp ?? "", line.timestamp)) return this.#meet(course, place, line, index)
    }
    const stamped = this.#isStamped(line)
    if (stamped && course.at > -2 && course.given === 0) {
      const mark = marks.find((one, at) =>
        at > course.at && !course.met.has(one) && course.words < one.run && isMessage(one, line.message) &&
        ((at === 0 && course.seen === 1) || mayBeStamped(marks, at, course.young ?? marks.length))
      )
      if (mark !== undefined) {
        course.met.add(mark)
        course.behind = true
        course.words = 0
        // What came twice is in the log, and counts; but ssh may greet with the same words as before.
        if (course.seen === 1) this.#uncount(course, 1)
        return marks.every((one) => course.met.has(one)) ? this.#arrive(course, place, marks, "old") : "old"
      }
      // Lines that the service stamped at one time are one mark, which has the text of the last.
      if (!place.gap && !place.unsure && course.words + 1 < (marks[course.at + 1]?.run ?? 0)) {
        return this.#takeForWord(course)
      }
    }
    // The line behind a mark is the next mark, or new: then what was read behind that mark were words, and not in the log.
    if (course.passed && course.behind && course.at + 1 + (course.young ?? 0) >= marks.length) {
      // Or ssh says something before the next mark comes.
      const more = Timestamp.same(marks[course.at]?.timestamp ?? "", line.timestamp)
      return stamped && !more ? "new" : this.#arrive(course, place, this.#metOf(course), "new")
    }
    if (place.unsure) return this.#isUnasked(line) ? "old" : "new"
    if (marks.some((mark, at) => isLater(course, mark, at, line))) {
      course.behind = true
      return "old"
    }
    if (stamped) {
      // A text of the way to the container, not of the container: each connection begins with it.
      if (course.seen === 1 && isMessage(place.first, line.message)) return this.#uncount(course, 1)
      if (!place.gap && course.words < maxWords) return this.#takeForWord(course)
    }
    return this.#miss(course, place)
  }

  /** The line has the time of a mark. */
  #meet(course: Course, place: Place, line: LogEvent, index: number): Verdict {
    const mark = course.marks[index]
    const isLast = index === course.marks.length - 1
    if (index !== course.at) {
      // Words are no lines: what stands behind nothing else is the first line.
      const before = course.marks.slice(0, index)
      course.behind ||= course.at >= 0 || place.unsure ||
        (course.at === -1 && before.every((_, at) => mayBeStamped(course.marks, at, course.young ?? 0)))
      course.at = index
      course.run = 0
      course.passed = false
    }
    course.words = 0
    if (course.given > 0) {
      // They were words, as the line is from before the place.
      this.#uncount(course, course.given)
      course.given = 0
      course.fresh = []
      if (course.seen === 1) course.first = { message: line.message, timestamp: line.timestamp }
    }
    const partial = isLast && place.partial
    if (isLast && !course.behind && !partial && !place.gap) return this.#miss(course, place)
    const run = course.run + 1
    if (mark === undefined || run < mark.run) {
      course.run = run
      return "old"
    }
    // Where more may stand before those that were read, all of that time are known, as long as a later mark is left.
    if (place.gap || isMessage(mark, line.message) || (mark.partial === true && !isLast)) {
      course.run = run
      course.doubt = partial && !place.gap
      course.passed = true
      course.met.add(mark)
      place.unsure = false
      return isLast ? this.#arrive(course, place, this.#metOf(course), "old") : "old"
    }
    if (!partial) return this.#miss(course, place)
    course.run = run
    return "old"
  }

  #metOf({ marks, met }: Course): ReadonlyArray<Marked> {
    return marks.filter((mark) => met.has(mark))
  }

  /** It is not counted: another connection may not bring it. */
  #takeForWord(course: Course): Verdict {
    course.words++
    return this.#uncount(course, 1)
  }

  #uncount(course: Course, count: number): "old" {
    course.seen -= count
    if (course.seen === 0) course.first = undefined
    return "old"
  }

  /** The place is here, behind these marks: the log does not hold the others. */
  #arrive(course: Course, place: Place, marks: ReadonlyArray<Marked>, verdict: "old" | "new"): Verdict {
    course.mode = "new"
    place.lines = course.seen
    place.gap = false
    place.partial = false
    place.marks = marks
    if (place.young !== undefined) place.young = Math.min(place.young, marks.length)
    const met = course.marks[course.at]
    if (met !== undefined && met === marks.at(-1) && course.run > 0) {
      met.run = course.run
      place.young = 0
    }
    if (course.first !== undefined) place.first = course.first
    return verdict
  }

  /** The line is behind the place, which did not come. */
  #miss(course: Course, place: Place): Verdict {
    if (place.gap) {
      place.unsure = false
      return this.#arrive(course, place, [], "new")
    }
    if (!course.counted) return "gap"
    place.lines = undefined
    return "distrust"
  }

  /** Whether it is older than the last lines that the reading was to begin with. */
  #isUnasked({ timestamp }: LogEvent): boolean {
    const { since } = this.#position
    return since !== undefined && Timestamp.compare(timestamp, since) < 0
  }

  readonly #isStamped = ({ timestamp }: Mark): boolean => Date.parse(timestamp) >= this.#connectedAt
}

const isSkipping = ({ mode }: Course): boolean => mode === "count" || mode === "mark"
/** Whether a line stands before a mark that did not come yet and is in the log for certain. */
const isLater = ({ marks, met, young = 0 }: Course, mark: Marked, at: number, line: LogEvent): boolean =>
  at < marks.length - young && !met.has(mark) && Timestamp.compare(line.timestamp, mark.timestamp) < 0

const isLive = (course: Course): boolean => course.mode === "new" && !course.doubt

const isSame = (mark: Mark, line: LogEvent): boolean =>
  Timestamp.same(mark.timestamp, line.timestamp) && isMessage(mark, line.message)
