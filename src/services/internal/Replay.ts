import type { LogEntry } from "../../schema/LogEntry.ts"
import * as Timestamp from "../../schema/Timestamp.ts"
import type { LogEvent } from "./LogEvent.ts"
import { isMessage, type LogPosition, type Mark, move, type Place } from "./LogPosition.ts"

/**
 * What to do with a line of a connection.
 *
 * - `"live"`: hand it out, as all that follow of its stream.
 * - `"new"`: hand it out.
 * - `"old"`: it was handed out before.
 * - `"gap"`: lines before it may be missing.
 * - `"crowded"`: there are more streams than a log may have.
 * - `"distrust"`: the count of lines does not fit; begin again, going by times.
 */
export type Verdict = "live" | "new" | "old" | "gap" | "crowded" | "distrust"

/** The most streams that a log may have; there are two. */
export const maxStreams = 64

/** How a stream is read on this connection. */
interface Course {
  readonly stream: string
  place: Place | undefined
  /**
   * - `"new"`: it has reached its place.
   * - `"count"`: as many lines are skipped as were read; the first and the last of them are compared.
   * - `"mark"`: lines are skipped by their time, up to the last one that was read.
   * - `"since"`: lines are skipped that are older than what was asked for.
   */
  mode: "new" | "count" | "mark" | "since"
  /** How many lines of the stream came on this connection. */
  seen: number
  first: Mark | undefined
  /** How many lines in a row had the time of the place. */
  run: number
  /** Whether a line came that is older than the place, so that the log reaches back far enough. */
  behind: boolean
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
 * connection. Such a line is known by its text, and by being younger than the connection.
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
    const { mode, place, seen } = course
    if (mode !== "count" || seen === 0 || place?.lines === undefined) return false
    if (seen + 1 >= place.lines - place.run) return false
    course.seen++
    return true
  }

  /** Looks at the next line. What is handed out has to be followed: by {@link take} if it is `"live"`, else {@link takeJudged}. */
  judge(line: LogEvent): Verdict {
    const course = this.#find(line.stream)
    if (this.#courses.length > maxStreams) return "crowded"
    if (isLive(course)) return "live"
    course.seen++
    // The message first: then the line is parsed, and its time is no part of the text of many events.
    course.first ??= { message: line.message, timestamp: line.timestamp }
    return this.#judge(course, line)
  }

  /** Goes behind a line that was judged. */
  takeJudged(entry: LogEntry): void {
    const course = this.#find(entry.stream)
    const lines = this.#whole ? course.seen : undefined
    if (course.place === undefined) {
      course.place = this.#position.begin(entry, lines)
      // Lines may have been skipped before it, which nobody asked for.
      if (course.first !== undefined) course.place.first = course.first
    } else {
      move(course.place, [entry], 0, 1, lines)
    }
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
        course.place = this.#position.begin(entry, this.#whole ? course.seen : undefined)
        continue
      }
      if (course.count++ === 0) courses.push(course)
      course.last = index
    }
    for (const course of courses) {
      course.seen += course.count
      if (course.place !== undefined) {
        move(course.place, entries, course.last, course.count, this.#whole ? course.seen : undefined)
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
    return this.#judge(this.#find(line.stream), line)
  }

  /** A stream whose place the log ended before, though a gap was not reported. */
  get missing(): Place | undefined {
    return this.#unfinished().find((place) => !place.gap)
  }

  #unfinished(): ReadonlyArray<Place> {
    return [...this.#position.places.values()].filter(({ stream }) => {
      const course = this.#courses.find((one) => one.stream === stream)
      return course === undefined || course.mode === "count" || course.mode === "mark"
    })
  }

  #find(stream: string): Course {
    for (const course of this.#courses) if (course.stream === stream) return course
    const place = this.#position.places.get(stream)
    const mode = this.#modeOf(place)
    const course: Course = {
      stream,
      place,
      mode,
      seen: 0,
      first: undefined,
      run: 0,
      behind: false,
      doubt: false,
      count: 0,
      last: 0
    }
    this.#courses.push(course)
    return course
  }

  #modeOf(place: Place | undefined): Course["mode"] {
    if (!this.#whole) return "new"
    if (place === undefined) return this.#position.since === undefined ? "new" : "since"
    return place.lines === undefined ? "mark" : "count"
  }

  #judge(course: Course, line: LogEvent): Verdict {
    const { place } = course
    if (course.mode === "since") {
      const { since } = this.#position
      return since === undefined || Timestamp.compare(line.timestamp, since) >= 0 ? "new" : "old"
    }
    if (course.mode === "new" || place === undefined) {
      if (!course.doubt || place === undefined) return "new"
      course.doubt = false
      return isSame(place.last, line) && !place.gap ? "gap" : "new"
    }
    return course.mode === "count" ? this.#judgeCount(course, place, line) : this.#judgeMark(course, place, line)
  }

  #judgeCount(course: Course, place: Place, line: LogEvent): Verdict {
    const { lines = 0 } = place
    if (course.seen === 1 && !this.#isAgain(place.first, line)) {
      course.mode = "mark"
      return this.#judgeMark(course, place, line)
    }
    if (course.seen < lines - place.run) return "old"
    const same = Timestamp.same(place.last.timestamp, line.timestamp)
    course.run = same ? course.run + 1 : 0
    if (course.seen < lines) return "old"
    if (this.#isAgain(place.last, line) && (!same || course.run === place.run)) return this.#arrive(course, place)
    place.lines = undefined
    return "distrust"
  }

  #judgeMark(course: Course, place: Place, line: LogEvent): Verdict {
    const order = Timestamp.compare(line.timestamp, place.last.timestamp)
    if (order < 0) {
      course.behind = true
      return "old"
    }
    if (order > 0) {
      if (this.#isStamped(line)) {
        if (isMessage(place.last, line.message)) return this.#arrive(course, place)
        // A text of the way to the container, not of the container: each connection begins with it.
        if (course.behind || (course.seen === 1 && isMessage(place.first, line.message))) return "old"
      }
      return this.#arriveLate(course, place)
    }
    course.run++
    if (place.gap) return course.run < place.run ? "old" : this.#arrive(course, place)
    if (!course.behind && !place.partial) return "gap"
    if (course.run < place.run) return "old"
    if (isMessage(place.last, line.message)) {
      course.doubt = place.partial
      return this.#arrive(course, place)
    }
    return place.partial ? "old" : "gap"
  }

  /** The line is the last one that was read. */
  #arrive(course: Course, place: Place): Verdict {
    course.mode = "new"
    place.lines = course.seen
    place.gap = false
    if (course.run > 0) place.run = course.run
    place.partial = false
    if (course.first !== undefined) place.first = course.first
    return "old"
  }

  /** The line is younger than the last one that was read, which did not come. */
  #arriveLate(course: Course, place: Place): Verdict {
    if (!place.gap) return "gap"
    this.#arrive(course, place)
    return "new"
  }

  /** Whether it is the same line once more: by text and time, or by text alone where the service gave it a new time. */
  #isAgain(mark: Mark, line: LogEvent): boolean {
    return isMessage(mark, line.message) &&
      (Timestamp.same(mark.timestamp, line.timestamp) || this.#isStamped(line))
  }

  #isStamped(line: LogEvent): boolean {
    return Date.parse(line.timestamp) >= this.#connectedAt
  }
}

const isLive = (course: Course): boolean => course.mode === "new" && !course.doubt

const isSame = (mark: Mark, line: LogEvent): boolean =>
  Timestamp.same(mark.timestamp, line.timestamp) && isMessage(mark, line.message)
