import type { StreamCursor } from "../../errors/LogCursor.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import { Greeting } from "./Greeting.ts"
import { type IsYoung, lastOf, lineMark, type Mark, marksBehind, type RunMark, runOf } from "./LogMark.ts"

/** How far one stream was read. Moves often, so it holds the last messages themselves: hashed when asked for. */
export class LogPlace {
  readonly stream: string
  /** How many lines stand before the place; `undefined` while that is not known. */
  lines: number | undefined
  first: Mark
  /** The last lines, oldest first. There is always one. */
  marks: ReadonlyArray<RunMark>
  /** Whether a gap behind the place was reported. */
  gap: boolean
  /** Whether all that was read may be words. */
  unsure: boolean
  readonly greeting: Greeting

  constructor(cursor: StreamCursor) {
    const { before = [], first, gap = false, greeting, last, lines, partial, run, stream, unsure = false, young } =
      cursor
    const marks = [...before, { ...last, run, partial }]
    this.stream = stream
    this.lines = lines
    this.first = first
    // Copies: they are counted on.
    this.marks = marks.map((mark, at) => ({
      ...mark,
      partial: mark.partial === true,
      young: young === undefined ? undefined : at >= marks.length - young
    }))
    this.gap = gap
    this.unsure = unsure
    this.greeting = new Greeting(greeting)
  }

  /** Begins behind the first line that is read. `lines`: how many stand before there, where that is known. */
  begin({ message, timestamp }: LogEntry, lines: number | undefined, young: boolean): void {
    this.first = { message, timestamp }
    this.lines = lines
    this.marks = [{ message, timestamp, run: 1, partial: lines === undefined, young }]
    this.gap = false
    // ssh says its words on stderr (1.8).
    this.unsure = young && this.stream !== "stdout"
  }

  /** Goes behind the next lines. */
  move(lines: ReadonlyArray<LogEntry>, isYoung: IsYoung): void {
    const [first, ...rest] = this.greeting.isOpen ? this.greeting.grow(lines, isYoung) : []
    if (first !== undefined) {
      this.begin(first, this.lines === undefined ? undefined : 1, false)
      return this.move(rest, isYoung)
    }
    const marks = marksBehind(this.marks, lines, isYoung)
    this.unsure &&= runOf(marks) === runOf(this.marks) + lines.length && marks.every(({ young }) => young)
    this.marks = marks
    if (this.lines !== undefined) this.lines += lines.length
  }

  /** How many lines stand before the marks, where that is known. */
  get linesBefore(): number | undefined {
    return this.lines === undefined ? undefined : Math.max(0, this.lines - runOf(this.marks))
  }

  get cursor(): StreamCursor {
    const { first, gap, greeting, lines, marks, stream, unsure } = this
    const last = lastOf(marks)
    const young = marks.length - 1 - marks.findLastIndex((mark) => mark.young !== true)
    return {
      stream,
      ...(lines === undefined ? {} : { lines }),
      first: lineMark(first),
      ...(marks.length > 1 ? { before: marks.slice(0, -1).map(runMark) } : {}),
      last: lineMark(last),
      run: last.run,
      ...(last.partial ? { partial: true } : {}),
      ...(gap ? { gap } : {}),
      ...(last.young === undefined ? {} : { young }),
      ...(unsure ? { unsure } : {}),
      ...(greeting.lines.length > 0 ? { greeting: [...greeting.lines] } : {})
    }
  }
}

const runMark = (mark: RunMark) => ({ ...lineMark(mark), run: mark.run, ...(mark.partial ? { partial: true } : {}) })
