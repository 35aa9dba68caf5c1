import type { LogEntry } from "../../schema/LogEntry.ts"
import type { LogEvent } from "./LogEvent.ts"
import type { IsYoung } from "./LogMark.ts"
import type { LogPlace } from "./LogPlace.ts"
import type { LogPosition } from "./LogPosition.ts"
import { StreamReplay, type Verdict as OfStream } from "./StreamReplay.ts"

/** What to do with a line of a connection; `"crowded"`: there are more streams than a log may have. */
export type Verdict = OfStream | "crowded"

/** The most streams that a log may have; there are two. */
export const maxStreams = 64

/**
 * Finds on a new connection, which begins with the log's first line again, where each stream was read to: behind what ssh
 * greets with, as many lines are skipped as stand before the marks of the place, if the first of them is the same; then
 * the marks are looked for, which are the last lines that were read.
 *
 * A line whose time could not be read by the service bears the time at which the service met it, another one on each
 * connection. Such a line is known by its text, and by being younger than the connection. What ssh says when the way to
 * the container breaks, called a word here, is one of them, and no other connection brings it again: so the place is not
 * behind the last line that was read, but behind the last one of the marks that the log still holds.
 */
export class Replay {
  readonly #position: LogPosition
  readonly #whole: boolean
  readonly #isYoung: IsYoung
  /** No map: there are two streams, and each line looks for its own. */
  readonly #streams: Array<StreamReplay> = []

  /**
   * `whole`: the connection begins with the first line of the log, not with its last ones. `connectedAt`: when it began,
   * by the service's clock.
   */
  constructor(position: LogPosition, whole: boolean, connectedAt: number) {
    this.#position = position
    this.#whole = whole
    if (!whole) position.askedAt = connectedAt
    // The service tells its time in whole seconds.
    this.#isYoung = ({ timestamp }) => Date.parse(timestamp) >= connectedAt - 2000
  }

  /** Whether a stream has reached its place: then its lines are new, and need no look. */
  isLive(stream: string): boolean {
    return this.#known(stream)?.isLive === true && !this.#isCrowded
  }

  /** Whether the next line of a stream is known by its number alone; then it is counted, and {@link judge} not asked. */
  skips(stream: string): boolean {
    return this.#known(stream)?.skips() === true
  }

  /** Looks at the next line. What is handed out has to be followed: by {@link take} if it is `"live"`, else {@link takeJudged}. */
  judge(line: LogEvent): Verdict {
    const stream = this.#find(line.stream)
    return this.#isCrowded ? "crowded" : stream.judge(line)
  }

  /** Goes behind a line that is `"new"`. */
  takeJudged(line: LogEntry): void {
    this.#find(line.stream).give(line)
  }

  /** Goes behind the lines from a place on, whose streams are live. What a place costs is not paid for each line. */
  take(lines: ReadonlyArray<LogEntry>, from: number): void {
    const own = lines.slice(from)
    for (const one of this.#streams) one.take(own.filter(({ stream }) => stream === one.stream))
  }

  /** Accepts that lines are missing, in all streams that have not reached their place. */
  accept(): void {
    for (const place of this.#unfinished()) place.gap = true
  }

  /** Looks at a line once more, after {@link accept}. */
  judgeAgain(line: LogEvent): Verdict {
    // What was taken for words may be lines behind the gap.
    return this.tookWords ? "distrust" : this.judge(line)
  }

  /** The connection had the time to bring all that there is. */
  finish(): void {
    for (const stream of this.#streams) stream.finish()
  }

  /** Whether lines were taken for words, of which it is not certain that they are some. */
  get tookWords(): boolean {
    return this.#streams.some(({ tookWords }) => tookWords)
  }

  /** A stream whose place the log ended before, though a gap was not reported. */
  get missing(): LogPlace | undefined {
    return this.#unfinished().find(({ gap, stream, unsure }) => !gap && !unsure && this.#known(stream)?.isHere !== true)
  }

  get #isCrowded(): boolean {
    return this.#streams.length > maxStreams
  }

  #unfinished(): ReadonlyArray<LogPlace> {
    return [...this.#position.places.values()].filter(({ stream }) => this.#known(stream)?.isUnfinished ?? true)
  }

  #known(stream: string): StreamReplay | undefined {
    for (const one of this.#streams) if (one.stream === stream) return one
    return undefined
  }

  #find(stream: string): StreamReplay {
    const known = this.#known(stream)
    if (known !== undefined) return known
    const made = new StreamReplay(stream, this.#position, this.#whole, this.#isYoung)
    this.#streams.push(made)
    return made
  }
}
