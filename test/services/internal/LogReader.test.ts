import { assert, describe, it } from "@effect/vitest"
import { LogCursor, type LogEntry } from "basilica-sdk"
import * as fc from "fast-check"
import { LogEvent } from "../../../src/services/internal/LogEvent.ts"
import { LogPosition } from "../../../src/services/internal/LogPosition.ts"
import { LogReader } from "../../../src/services/internal/LogReader.ts"
import { Replay } from "../../../src/services/internal/Replay.ts"
import { collect } from "../../support/MachineTime.ts"
import { holds, patience, seed, size } from "../../support/Scale.ts"

const connectedAt = Date.parse("2025-09-20T12:00:00Z")

/** A log on one connection: what has been read of it, and how. */
const readerOf = (from: LogCursor, onGap: "fail" | "continue") => {
  const position = new LogPosition(from)
  const replay = new Replay(position, from.tail === undefined, connectedAt)
  const reader = new LogReader({ operation: "logs", position, replay, onGap, showable: (words) => words })
  return { position, reader }
}

const bytesOf = (events: ReadonlyArray<string>) =>
  new TextEncoder().encode(events.map((one) => `data:${one}\n\n`).join(""))

/** Reads events, some at a time, and says all that comes of it. */
const readIn = (from: LogCursor, onGap: "fail" | "continue", reads: ReadonlyArray<ReadonlyArray<string>>) => {
  const { position, reader } = readerOf(from, onGap)
  const entries: Array<LogEntry> = []
  for (const events of reads) entries.push(...reader.read([bytesOf(events)]))
  return { entries, stop: reader.stop, gaps: reader.gaps, cursor: position.cursor }
}

/** Moments that are one in other words, that are none, that go back, and after the connection. */
const timestamp = fc.constantFrom(
  "2025-09-20T11:00:00Z",
  "2025-09-20T11:00:00.0Z",
  "2025-09-20T12:00:00+01:00",
  "2025-09-20T11:00:01.000000001Z",
  "2025-09-20T11:00:01.000000002Z",
  "2025-09-20T12:30:00Z",
  "no time Z",
  "neither Z",
  "no"
)
const line = fc.record({
  message: fc.constantFrom("a", "b", ""),
  stream: fc.constantFrom("stdout", "stdout", "stderr", "other"),
  timestamp
})
const event = fc.oneof(
  { weight: 30, arbitrary: line.map((fields) => JSON.stringify(fields)) },
  { weight: 2, arbitrary: fc.constant("{}") },
  { weight: 1, arbitrary: fc.constantFrom("[]", "{\"message\":1,\"stream\":\"stdout\",\"timestamp\":\"\"}", "{") }
)
/** Some events at a time. */
const reads = fc.array(fc.array(event, { maxLength: 12 }), { maxLength: 8 })

describe("LogReader", () => {
  it(`keeps the place, line by line and many lines at a time (seed ${seed})`, () => {
    const lines = fc.array(fc.array(line, { maxLength: 12 }), { maxLength: 8 })
    holds(lines, size(3000, 100_000), (parts) => {
      const start = LogCursor.start("id")
      const { cursor, entries } = readIn(start, "fail", parts.map((part) => part.map((one) => JSON.stringify(one))))
      assert.deepStrictEqual(entries, parts.flat())
      // Whether the service may have stamped them is seen by who knows when the connection began.
      const streams = cursor.streams.map((one) => ({ ...one }))
      // So is what ssh greeted with, which is none of the log.
      const greeted = new Map(
        cursor.streams.flatMap(({ first, greeting = [], stream }) =>
          greeting.length === 0 || greeting[0]?.timestamp === first.timestamp ? [] : [[stream, greeting.length]]
        )
      )
      const ofLog = parts.flat().filter(({ stream }) => {
        const left = greeted.get(stream) ?? 0
        greeted.set(stream, left - 1)
        return left <= 0
      })
      for (const one of streams) for (const key of ["young", "unsure", "greeting"]) Reflect.deleteProperty(one, key)
      const moved = ofLog.reduce<LogCursor>(LogCursor.after, start)
      assert.sameDeepMembers<unknown>(streams, [...moved.streams])
      assert.deepStrictEqual<unknown>({ ...cursor, streams: [] }, { ...moved, streams: [] })
    })
  }, patience)

  it(`goes on from any place alike, however the events are cut into reads (seed ${seed})`, () => {
    const session = fc.record({
      before: reads,
      again: reads,
      replays: fc.boolean(),
      tail: fc.option(fc.nat(3), { nil: undefined }),
      onGap: fc.constantFrom("fail" as const, "continue" as const)
    })
    holds(session, size(5000, 200_000), ({ again, before, onGap, replays, tail }) => {
      const start = LogCursor.start("id", { tail })
      const { cursor } = readIn(start, onGap, before)
      for (const from of [start, cursor]) {
        const parts = replays ? [...before, ...again] : again
        const whole = readIn(from, onGap, parts)
        assert.deepStrictEqual(whole, readIn(from, onGap, parts.flat().map((one) => [one])))
        assert.deepStrictEqual(whole, readIn(from, onGap, [parts.flat()]))
      }
    })
  }, patience)

  it(`skips by its number what it would find known by a look (seed ${seed})`, () => {
    const session = fc.record({ known: fc.array(line, { maxLength: 30 }), again: fc.array(line, { maxLength: 10 }) })
    holds(session, size(5000, 200_000), ({ again, known }) => {
      const { cursor } = readIn(LogCursor.start("id"), "fail", [known.map((one) => JSON.stringify(one))])
      const event = new LogEvent()
      const [skipping, looking] = [true, false].map((skips) => {
        const position = new LogPosition(cursor)
        const replay = new Replay(position, true, connectedAt)
        const verdicts = [...known, ...again].map((one) => {
          event.set(one)
          if (skips && replay.skips(one.stream)) return "old"
          const verdict = replay.judge(event)
          if (verdict === "new") replay.takeJudged(one)
          if (verdict === "live") replay.take([one], 0)
          if (verdict === "gap") replay.accept()
          return verdict
        })
        return { verdicts, cursor: position.cursor, missing: replay.missing }
      })
      assert.deepStrictEqual(skipping, looking)
    })
  }, patience)

  it("knows how many lines stand at the time of its place, where they are judged one by one", () => {
    const at = (message: string, second: number) =>
      JSON.stringify({ message, stream: "stdout", timestamp: `2025-09-20T11:00:0${second}Z` })
    const runOf = ({ cursor }: { readonly cursor: LogCursor }) => cursor.streams.map(({ run }) => run)
    // Begun with the last lines and cut before one came: what is older is not wanted, what is not is looked at by itself.
    const since = { ...LogCursor.start("id"), since: "2025-09-20T11:00:01Z" }
    const fresh = readIn(since, "fail", [[at("a", 0), at("b", 1), at("c", 1), at("d", 1)]])
    assert.deepStrictEqual(fresh.entries.map(({ message }) => message), ["b", "c", "d"])
    assert.deepStrictEqual(runOf(fresh), [3])
    // Begun with the last line: that two more stand at its time is seen on the next connection.
    const tailed = readIn(LogCursor.start("id", { tail: 1 }), "fail", [[at("d", 1)]])
    assert.deepStrictEqual(runOf(tailed), [1])
    const again = readIn(tailed.cursor, "fail", [[at("a", 0), at("b", 1), at("c", 1), at("d", 1), at("e", 2)]])
    assert.deepStrictEqual(again.entries.map(({ message }) => message), ["e"])
    const still = readIn(tailed.cursor, "fail", [[at("a", 0), at("b", 1), at("c", 1), at("d", 1)]])
    assert.deepStrictEqual(runOf(still), [3])
  })

  it("holds nothing of the lines that it has read but the first and the last, while it waits for the next", () => {
    const lines = Array.from({ length: 2000 }, (_, index) => ({
      message: `line ${index} ${"-".repeat(100)}`,
      stream: "stdout",
      timestamp: `2025-09-20T11:00:00.${String(index).padStart(9, "0")}Z`
    }))
    const bytes = bytesOf(lines.map((one) => JSON.stringify(one)))
    const start = LogCursor.start("id")
    const end = lines.reduce<LogCursor>(LogCursor.after, start)
    for (const from of [start, end]) {
      collect()
      const before = process.memoryUsage().heapUsed
      const waiting = Array.from({ length: 50 }, () => {
        const { reader } = readerOf(from, "fail")
        assert.lengthOf(reader.read([bytes]), from === start ? lines.length : 0)
        return reader
      })
      collect()
      const grown = process.memoryUsage().heapUsed - before
      assert.isBelow(grown, (waiting.length * bytes.length) / 10)
    }
  })
})
