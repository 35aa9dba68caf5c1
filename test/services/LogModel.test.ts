import { assert, describe, it } from "@effect/vitest"
import { type LogCursor, type LogEntry, LogGap, type LogOptions, LogStream, type OpenReply } from "basilica-sdk"
import { Mock } from "basilica-sdk/testing"
import { Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type FakeLine, fakeLines, FakeLog, wireTime } from "../support/FakeLog.ts"
import { type Chance, chanceOf, patience, replay, seed, size } from "../support/Scale.ts"
import { rental, rentalId } from "../support/ScriptedServer.ts"

const sessions = size(50, 1000)
const gaps = size(50, 500)
const lineCount = size(200, 2000)
const cutCount = 20

interface Query {
  readonly follow: boolean
  readonly tail: number | undefined
}

/** The service: opens a log as the test says; the state of the deployment. */
const service = (open: (query: Query) => OpenReply, state: () => string) =>
  Layer.fresh(LogStream.layer).pipe(
    Layer.provide(Mock.transport({
      open: ({ query }) =>
        Effect.sync(() => open({ follow: query?.["follow"] === true, tail: query?.["tail"] as number | undefined })),
      request: (call) => Effect.suspend(() => Effect.orDie(Effect.fromResult(call.decode(rental(state())))))
    }))
  )

/** Reads a log to its end, or to an error, while time goes on. */
const readAll = Effect.fnUntraced(function*(layer: Layer.Layer<LogStream>, options?: LogOptions) {
  const entries: Array<LogEntry> = []
  const reading = yield* Stream.unwrap(LogStream.useSync((logs) => logs.follow(rentalId, options))).pipe(
    Stream.runForEachArray((batch) => Effect.sync(() => entries.push(...batch))),
    Effect.match({ onFailure: (error) => error, onSuccess: () => undefined }),
    Effect.provide(layer),
    Effect.forkChild({ startImmediately: true })
  )
  while (reading.pollUnsafe() === undefined) yield* TestClock.adjust("10 seconds")
  return { entries, error: yield* Fiber.join(reading) }
})

/** A line in a form that can be compared: one whose time is another on each reading has none. */
const shown = (lines: ReadonlyArray<FakeLine>, stream: string) =>
  lines.filter((line) => line.stream === stream).map((line) =>
    `${line.stamped ? "-" : wireTime(line.time)} ${line.message}`
  )

/** The lines that were read, in the same form. */
const read = (entries: ReadonlyArray<LogEntry>, lines: ReadonlyArray<FakeLine>, stream: string) => {
  const times = new Set(lines.filter((line) => !line.stamped).map((line) => wireTime(line.time)))
  return entries.filter((entry) => entry.stream === stream).map((entry) =>
    `${times.has(entry.timestamp) ? entry.timestamp : "-"} ${entry.message}`
  )
}

/** A connection that is cut at any byte, in one of the ways in which it happens. */
const cutReply = (own: Chance, log: FakeLog, lines: ReadonlyArray<FakeLine>): OpenReply => {
  const bytes = log.bytes(lines)
  const at = own.below(bytes.length + 1)
  const how = own.below(3)
  if (how === 0) return log.reply(bytes.subarray(0, at), "reset")
  if (how === 1) return log.reply(bytes.subarray(0, at))
  const end = at < 2 ? 0 : bytes.lastIndexOf("\n\n", at - 2) + 2
  const event = `data:${
    JSON.stringify({ message: "Stream error: x", stream: "error", timestamp: "2025-09-20T12:00:00Z" })
  }\n\n`
  return log.reply(Buffer.concat([bytes.subarray(0, end < 2 ? 0 : end), Buffer.from(event)]))
}

describe(`a followed log (seed ${seed})`, () => {
  it.effect(`loses no line and doubles none: ${sessions} sessions of ${cutCount} cuts`, () =>
    Effect.gen(function*() {
      for (let session = 0; session < sessions; session++) {
        const own = chanceOf(session)
        const log = new FakeLog(own, fakeLines(own, lineCount))
        let connections = 0
        let visible = 0
        const layer = service(() => {
          if (connections++ >= cutCount) return log.reply(log.bytes())
          visible = Math.max(
            visible,
            Math.min(lineCount, Math.floor((lineCount * connections) / cutCount) + own.below(20))
          )
          return cutReply(own, log, log.lines.slice(0, visible))
        }, () => connections > cutCount ? "terminated" : "active")
        const { entries, error } = yield* readAll(layer)
        const where = replay(session)
        assert.isUndefined(error, where)
        assert.isAtLeast(connections, cutCount + 2, where)
        for (const stream of ["stdout", "stderr"]) {
          assert.deepStrictEqual(read(entries, log.lines, stream), shown(log.lines, stream), where)
        }
      }
    }), patience)

  it.effect(`goes on in another client from the cursor of an error`, () =>
    Effect.gen(function*() {
      for (let session = 0; session < sessions; session++) {
        const own = chanceOf(5_000_000 + session)
        const log = new FakeLog(own, fakeLines(own, 200))
        const all: Array<LogEntry> = []
        let from: LogCursor | undefined
        for (let cut = 0; cut < 5; cut++) {
          const layer = service(() => cutReply(own, log, log.lines), () => "active")
          const { entries, error } = yield* readAll(layer, { from, maxReconnects: 0 })
          all.push(...entries)
          assert.isTrue(error !== undefined && "cursor" in error, replay(session))
          // What another process gets is JSON.
          from = JSON.parse(JSON.stringify((error as unknown as { cursor: LogCursor }).cursor))
        }
        const last = yield* readAll(service(() => log.reply(log.bytes()), () => "terminated"), { from })
        assert.isUndefined(last.error)
        all.push(...last.entries)
        for (const stream of ["stdout", "stderr"]) {
          assert.deepStrictEqual(read(all, log.lines, stream), shown(log.lines, stream), replay(session))
        }
      }
    }), patience)

  it.effect(`announces once that history is gone: ${gaps} sessions`, () =>
    Effect.gen(function*() {
      for (let session = 0; session < gaps; session++) {
        const own = chanceOf(1_000_000 + session)
        const where = replay(session)
        const all = fakeLines(own, lineCount).map((line, index) => ({
          ...line,
          stamped: false,
          // No two lines of one time: else the first that is left may be the same as the last that was read.
          time: line.time + BigInt(index) * 1_000_000n
        }))
        const log = new FakeLog(own, all)
        const before = 20 + own.below(lineCount / 4)
        const left = before + 20 + own.below(lineCount / 4)
        let connections = 0
        const layer = service(() => {
          if (connections++ === 0) return log.reply(log.bytes(all.slice(0, before)), "reset")
          log.lines = all.slice(left)
          return connections < 5 ? cutReply(own, log, log.lines) : log.reply(log.bytes())
        }, () => connections > 5 ? "terminated" : "active")
        const first = yield* readAll(layer)
        assert.instanceOf(first.error, LogGap, where)
        if (!(first.error instanceof LogGap)) return
        const second = yield* readAll(layer, { from: JSON.parse(JSON.stringify(first.error.cursor)) })
        assert.isUndefined(second.error, where)
        for (const stream of ["stdout", "stderr"]) {
          const wanted = [...shown(all.slice(0, before), stream), ...shown(all.slice(left), stream)]
          assert.deepStrictEqual(read([...first.entries, ...second.entries], all, stream), wanted, where)
        }
      }
    }), patience)

  it.effect("calls it no gap where only lines are gone that were read", () =>
    Effect.gen(function*() {
      for (let session = 0; session < gaps; session++) {
        const own = chanceOf(2_000_000 + session)
        const where = replay(session)
        const log = new FakeLog(own, [])
        const all = fakeLines(own, lineCount).map((line, index) => ({
          ...line,
          stamped: false,
          // No two lines of one time: else it is not certain that the first of them was the first.
          time: line.time + BigInt(index) * 1_000_000n
        }))
        log.lines = all
        const before = lineCount / 2
        // Two of each stream that were read are left: of one alone it is not certain that it is the last that was read.
        let oldest = before - 30
        const left = (stream: string) => all.slice(oldest, before).filter((line) => line.stream === stream).length
        while (left("stdout") < 2 || left("stderr") < 2) oldest--
        let connections = 0
        const layer = service(() => {
          if (connections++ === 0) return log.reply(log.bytes(all.slice(0, before)), "reset")
          log.lines = all.slice(oldest)
          return connections < 5 ? cutReply(own, log, log.lines) : log.reply(log.bytes())
        }, () => connections > 5 ? "terminated" : "active")
        const { entries, error } = yield* readAll(layer)
        assert.isUndefined(error, where)
        for (const stream of ["stdout", "stderr"]) {
          assert.deepStrictEqual(read(entries, all, stream), shown(all, stream), where)
        }
      }
    }), patience)

  it.effect("begins with the last lines and loses none behind them, wherever it is cut", () =>
    Effect.gen(function*() {
      for (let session = 0; session < sessions; session++) {
        const own = chanceOf(3_000_000 + session)
        const where = replay(session)
        const tail = own.below(30)
        const before = tail + own.below(lineCount / 2)
        const all = fakeLines(own, lineCount).map((line, index) => ({
          ...line,
          stamped: false,
          // Equal lines of one time cannot be told apart where the reading began among them.
          time: 1_758_369_600_000_000_000n + BigInt(index) * 3_000_000n + (index < before ? 0n : 10_000_000_000n)
        }))
        const log = new FakeLog(own, all)
        let connections = 0
        const layer = service((query) => {
          if (connections++ === 0) {
            assert.strictEqual(query.tail, tail, where)
            log.lines = all.slice(0, before)
            return log.reply(log.bytes(log.lines.slice(before - tail)), "reset")
          }
          assert.isUndefined(query.tail, where)
          log.lines = all
          return connections < 5 ? cutReply(own, log, all) : log.reply(log.bytes())
        }, () => connections > 5 ? "terminated" : "active")
        const { entries, error } = yield* readAll(layer, { tail })
        assert.isUndefined(error, where)
        for (const stream of ["stdout", "stderr"]) {
          assert.deepStrictEqual(read(entries, all, stream), shown(all.slice(before - tail), stream), where)
        }
      }
    }), patience)

  it.effect(
    `loses no line whatever ssh says on the way to the container: ${sessions} sessions`,
    () =>
      Effect.gen(function*() {
        let [doubled, announced] = [0, 0]
        for (let session = 0; session < sessions; session++) {
          const own = chanceOf(4_000_000 + session)
          const where = replay(session)
          const all = fakeLines(own, lineCount).map((line) => ({ ...line, stamped: false }))
          const log = new FakeLog(own, all)
          const greets = own.below(2) === 0
          const timeOf = (index: number) => all[Math.min(Math.max(index, 0), lineCount - 1)]?.time ?? 0n
          let connections = 0
          let visible = 0
          let words = 0
          const say = (at: bigint) => {
            const said = Array.from(
              { length: own.below(3) },
              (_, index) =>
                log.said(
                  `ssh: ${["broken", "refused", "reset"][own.below(3)]}`,
                  "stderr",
                  at + BigInt(words + index) * 7919n + 777_777_777n
                )
            )
            words += said.length
            return said
          }
          const layer = service(() => {
            // Lines are written while nobody is connected, and on the connection: those are as young as what ssh says.
            const begun = Math.min(lineCount, visible + own.below(5))
            const step = own.below(2) === 0 ? 3 : lineCount / 10
            visible = connections++ >= cutCount ? lineCount : Math.min(lineCount, begun + own.below(step))
            const date = timeOf(begun - 1)
            const greeting = log.said("ssh: hello", "stderr", date + 333_333_333n + BigInt(words) * 7919n)
            const parts = greets ? [greeting] : []
            words += parts.length
            if (connections > cutCount) return log.reply(Buffer.concat([...parts, log.bytes()]), "end", date)
            const bytes = log.bytes(all.slice(0, visible))
            const at = own.below(3) === 0 ? own.below(bytes.length) : own.below(6) === 0 ? 0 : bytes.length
            const end = at < 2 ? 0 : bytes.lastIndexOf("\n\n", at - 2) + 2
            // Until ssh notices, more may be written.
            const noticed = timeOf(visible - 1) + BigInt(own.below(2) * own.below(10)) * 1_000_000_000n
            const body = Buffer.concat([
              ...parts,
              bytes.subarray(0, end < 2 ? 0 : end),
              ...say(noticed > date ? noticed : date)
            ])
            return log.reply(body, own.below(2) === 0 ? "end" : "reset", date)
          }, () => connections > cutCount ? "terminated" : "active")
          const entries: Array<LogEntry> = []
          let from: LogCursor | undefined
          // As the documents say: behind a gap it goes on from the cursor.
          do {
            const part: Effect.Success<ReturnType<typeof readAll>> = yield* readAll(layer, { from })
            entries.push(...part.entries)
            assert.isTrue(part.error === undefined || part.error instanceof LogGap, where)
            from = part.error instanceof LogGap ? part.error.cursor : undefined
            if (from !== undefined) announced++
          } while (from !== undefined)
          const ofLog = entries.filter(({ message }) => !message.startsWith("ssh: "))
          assert.isAtMost(entries.length - ofLog.length, words, where)
          for (const stream of ["stdout", "stderr"]) {
            const got = read(ofLog, all, stream)
            let at = 0
            for (const line of shown(all, stream)) {
              at = got.indexOf(line, at) + 1
              assert.isAbove(at, 0, `${line} is lost, ${where}`)
            }
            if (got.length > shown(all, stream).length) doubled++
          }
        }
        // Of a stream that had hardly more than four words, not every line can be told from a word.
        assert.isAtMost(doubled, sessions / 5, replay())
        assert.isAtMost(announced, sessions / 5, replay())
      }),
    patience
  )
})
