import { assert, describe, it } from "@effect/vitest"
import {
  ApiError,
  AuthorizationError,
  Basilica,
  Deployments,
  LogCursor,
  type LogEntry,
  type LogError,
  LogGap,
  type LogOptions,
  LogStream,
  NetworkError,
  type OpenReply,
  RateLimited,
  TimeoutError
} from "basilica-sdk"
import { MemoryBasilica, Mock } from "basilica-sdk/testing"
import {
  Clock,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Random,
  References,
  Result,
  Schema,
  Scope,
  Stream
} from "effect"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { against } from "../support/client.ts"
import { bare, json, logEvent, rental, rentalId, rentalItem, scriptedServer } from "../support/ScriptedServer.ts"

/** A time, that many seconds after noon. */
const at = (seconds: number) => new Date(Date.UTC(2025, 8, 20, 12, 0, seconds)).toISOString().replace(".000Z", ".5Z")
/** The lines of one second each. */
const events = (texts: string, begin = 0, stream = "stdout") =>
  Array.from(texts).map((text, index) => logEvent(text, stream, at(begin + index))).join("")
const cutEvent = logEvent("Stream error: operation timed out", "error")
const reset = new NetworkError({ operation: "test", phase: "body", reason: "ECONNRESET", outcome: "none" })

const forbidden = new AuthorizationError({ operation: "test", scope: "rentals:view" })
/** Loggers that put each message there. */
const collecting = (messages: Array<unknown>) =>
  new Set([Logger.make(({ message }) => {
    messages.push(message)
  })])

type Body = string | Stream.Stream<Uint8Array, NetworkError>

const encoder = new TextEncoder()
const bytes = (text: string) => Stream.make(encoder.encode(text))
const reply = (body: Body, more: Partial<OpenReply> = {}): OpenReply => ({
  status: 200,
  contentType: "text/event-stream",
  date: Date.UTC(2025, 8, 20, 13),
  showable: (words) => words,
  body: typeof body === "string" ? bytes(body) : body,
  ...more
})
/** Lines, and then nothing, for ever. */
const silent = (text: string) => Stream.concat(bytes(text), Stream.never)
const broken = (text: string) => Stream.concat(bytes(text), Stream.fail(reset))

/**
 * A service that answers one after the other, the last for ever; what it was asked for is noted with its time. `listed`:
 * the state that the list gives for the deployment, which is not in it otherwise.
 */
const service = (
  answers: ReadonlyArray<Body | OpenReply | number | Error>,
  states: ReadonlyArray<string | number | Error> = ["active"],
  last: Body | number | Error = events("b", 1),
  listed?: string | Error
) => {
  const asked: Array<string> = []
  let connections = 0
  let looks = 0
  const note = (what: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => void asked.push(`${Math.floor(now / 1000)} ${what}`))
  const layer = Layer.fresh(LogStream.layer).pipe(Layer.provide(Mock.transport({
    open: Effect.fnUntraced(function*(call) {
      const { follow, tail } = call.query ?? {}
      yield* note(`${follow === true ? "follow" : "read"}${tail === undefined ? "" : ` ${String(tail)}`}`)
      const isLast = follow === false && tail === 1
      const answer = isLast ? last : answers[Math.min(connections++, answers.length - 1)] ?? 500
      if (typeof answer === "number") {
        const refusal = { operation: call.operation, scope: "", status: answer, code: "", reason: "", requestId: "" }
        const own = call.onRefusal?.({ ...refusal, retryAfterMillis: undefined, mayHaveRun: false })
        return yield* Effect.fail(own !== undefined && Result.isFailure(own) ? own.failure : (reset as never))
      }
      if (answer instanceof Error) return yield* Effect.fail(answer as never)
      return typeof answer === "object" && "status" in answer ? answer : reply(answer)
    }),
    request: Effect.fnUntraced(function*(call) {
      if (call.path.length === 1) {
        yield* note("list")
        if (listed instanceof Error) return yield* Effect.fail(listed as never)
        const rentals = listed === undefined ? [] : [rentalItem(listed)]
        return yield* Effect.orDie(Effect.fromResult(call.decode({ rentals, total_count: rentals.length })))
      }
      yield* note("status")
      const state = states[Math.min(looks++, states.length - 1)] ?? "active"
      if (state === "never told") return yield* Effect.never
      if (state instanceof Error) return yield* Effect.fail(state as never)
      if (typeof state === "string") return yield* Effect.orDie(Effect.fromResult(call.decode(rental(state))))
      const refusal = { operation: call.operation, scope: "", status: state, code: "", reason: "", requestId: "" }
      const own = call.onRefusal?.({ ...refusal, retryAfterMillis: undefined, mayHaveRun: false })
      return yield* Effect.fail(own !== undefined && Result.isFailure(own) ? own.failure : (reset as never))
    })
  })))
  return { asked, layer }
}

/** Reads in the background. */
const start = Effect.fnUntraced(function*(layer: Layer.Layer<LogStream>, options?: LogOptions) {
  const entries: Array<LogEntry> = []
  const fiber = yield* Stream.unwrap(LogStream.useSync((logs) => logs.follow(rentalId, options))).pipe(
    Stream.runForEachArray((batch) => Effect.sync(() => entries.push(...batch))),
    Effect.match({ onFailure: (error): LogError | undefined => error, onSuccess: () => undefined }),
    Effect.provide(layer),
    Effect.forkChild({ startImmediately: true })
  )
  const text = () => entries.map(({ message }) => message).join("")
  return { entries, fiber, text }
})

/** Reads to the end, while time goes on. */
const run = Effect.fnUntraced(function*(layer: Layer.Layer<LogStream>, options?: LogOptions) {
  const { entries, fiber, text } = yield* start(layer, options)
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
  return { entries, error: yield* Fiber.join(fiber), text: text() }
})

const cursorOf = (error: LogError | undefined): LogCursor => {
  assert.isTrue(error !== undefined && "cursor" in error, error?.message)
  return Schema.decodeUnknownSync(LogCursor)(JSON.parse(JSON.stringify((error as { cursor?: LogCursor }).cursor)))
}

describe("a followed log", () => {
  it.effect("goes on behind the 15 minutes after which the service cuts", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      const { id } = yield* deployments.deploy({ gpu: {}, image: "acme/train:1", noSsh: true })
      const messages: Array<string> = []
      const fiber = yield* Stream.runForEach(
        deployments.logs(id, { follow: true }),
        ({ message }) => Effect.sync(() => messages.push(message))
      ).pipe(Effect.forkChild({ startImmediately: true }))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(messages, Array.from({ length: 120 }, (_, minute) => `minute ${minute}`))
      assert.isAtLeast(yield* Clock.currentTimeMillis, 2 * 3_600_000)
    }).pipe(Effect.provide(MemoryBasilica.layer({
      program: {
        lines: Array.from({ length: 120 }, (_, minute) => ({
          after: "1 minute",
          message: `minute ${minute}`,
          stream: minute % 3 === 0 ? "stderr" : "stdout"
        })),
        exits: true
      }
    }))))

  it.effect("ends when the deployment has, after what was written behind the last cut", () =>
    Effect.gen(function*() {
      for (const state of ["terminated", "failed"]) {
        const { asked, layer } = service([events("ab"), events("abcd")], [state])
        assert.deepInclude(yield* run(layer), { error: undefined, text: "abcd" })
        assert.deepStrictEqual(asked, ["0 follow", "0 status", "0 follow"])
      }
    }))

  it.effect("does not end while the deployment runs, whatever closes it", () =>
    Effect.gen(function*() {
      const { asked, layer } = service(
        [events("a"), broken(events("ab")), events("abc") + cutEvent, reset, events("abcd")],
        ["active", "terminated"]
      )
      assert.deepInclude(yield* run(layer), { error: undefined, text: "abcd" })
      assert.strictEqual(asked.filter((what) => what.endsWith("follow")).length, 6)
    }))

  it.effect("waits for the service to notice that a container has ended, without reading its log again and again", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([events("ab")], [...Array<string>(8).fill("active"), "terminated"])
      assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
      const opened = asked.map((what) => what.split(" ")[1]).filter((what) => what !== "status")
      assert.deepStrictEqual(opened, ["follow", "follow", "follow"])
      // Each look later than the one before: seven in half a minute.
      assert.isAtLeast(Number.parseInt(asked.at(-1) ?? "", 10), 31)
    }))

  it.effect("ends when it is gone, and where the service says that there is no more", () =>
    Effect.gen(function*() {
      const ends: ReadonlyArray<readonly [ReadonlyArray<Body | number>, ReadonlyArray<string | number>, number]> = [
        [[broken(events("ab")), 404], ["active"], 1],
        [[broken(events("ab")), 204], ["active"], 1],
        [[silent(events("ab"))], [404], 1],
        [[events("ab")], [404], 0],
        [[events("ab"), 404], ["active"], 1]
      ]
      for (const [answers, states, warned] of ends) {
        const warnings: Array<unknown> = []
        const logger = Logger.make(({ message }) => {
          warnings.push(message)
        })
        const ended = yield* run(service(answers, states).layer).pipe(
          Effect.provideService(Logger.CurrentLoggers, new Set([logger]))
        )
        assert.deepInclude(ended, { error: undefined, text: "ab" })
        assert.lengthOf(warnings, warned)
      }
      assert.deepInclude(yield* run(service([204]).layer), { error: undefined, text: "" })
    }))

  it.effect("does not end on a 404 while the deployment is listed", () =>
    Effect.gen(function*() {
      const ends: ReadonlyArray<readonly [ReadonlyArray<Body | number>, ReadonlyArray<string | number>]> = [
        [[broken(events("ab")), 404, events("abc")], ["terminated"]],
        [[events("ab"), events("abc")], [404, "terminated"]],
        [[silent(events("ab")), events("abc")], [404, "terminated"]]
      ]
      for (const [answers, states] of ends) {
        const ended = yield* run(service(answers, states, undefined, "Active").layer)
        assert.deepInclude(ended, { error: undefined, text: "abc" })
      }
    }))

  it.effect("fails where its log is not found for ever though the deployment is listed, or the list cannot be read", () =>
    Effect.gen(function*() {
      for (const [listed, connections] of [["Stopped", 6], ["Active", 21], [reset, 21]] as const) {
        const { asked, layer } = service([broken(events("ab")), 404], ["active"], undefined, listed)
        const { error, text } = yield* run(layer)
        assert.strictEqual(text, "ab")
        assert.strictEqual(cursorOf(error).streams[0]?.lines, 2)
        assert.isAtMost(asked.filter((what) => what.endsWith("follow")).length, connections + 1)
      }
    }))

  it.effect("believes a 404 where the token may not ask for the list", () =>
    Effect.gen(function*() {
      const { layer } = service([broken(events("ab")), 404], ["active"], undefined, forbidden)
      assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
    }))

  it.effect("that does not connect again still waits for the service to notice the end", () =>
    Effect.gen(function*() {
      const { layer } = service([events("ab")], ["active", "active", "terminated"])
      assert.deepInclude(yield* run(layer, { maxReconnects: 0 }), { error: undefined, text: "ab" })
    }))

  it.effect("fails where there never was one, and where it may not be read, with the place", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* run(service([404]).layer)).error?._tag, "NotFound")
      const page = reply("<html>", { contentType: "text/html" })
      const { asked, layer } = service([broken(events("ab")), page])
      const { error, text } = yield* run(layer)
      assert.strictEqual(text, "ab")
      assert.strictEqual(error?._tag, "InvalidResponse")
      assert.lengthOf(asked, 2)
      assert.strictEqual(cursorOf(error).streams[0]?.lines, 2)
    }))

  it.effect("fails at once where it cannot be opened in the first place", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([reset])
      assert.strictEqual((yield* run(layer)).error, reset)
      assert.lengthOf(asked, 1)
    }))

  it.effect("waits twice as long before each connection, up to 30 seconds, of which a random part", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([broken(events("ab")), reset])
      const half = { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 }
      yield* Effect.provideService(run(layer, { maxReconnects: 9 }), Random.Random, half)
      const times = asked.map((what) => Number.parseInt(what, 10))
      assert.deepStrictEqual(times, [0, 0, 0, 1, 3, 7, 15, 30, 45, 60])
    }))

  it.effect("gives up after 20 connections to no avail, each later than the one before, and says where it was", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([broken(events("ab")), reset])
      const { error, text } = yield* run(layer)
      assert.strictEqual(text, "ab")
      assert.instanceOf(error, NetworkError)
      assert.strictEqual(asked.length, 21)
      assert.isAtMost(yield* Clock.currentTimeMillis, 16_000 + 15 * 30_000 + 30_000)
      const rest = yield* run(service([events("abcd")], ["terminated"]).layer, { from: cursorOf(error) })
      assert.deepInclude(rest, { error: undefined, text: "cd" })
    }))

  it.effect("gives up too where each connection opens and breaks, and brings nothing new", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([broken(events("ab"))])
      const { error, text } = yield* run(layer, { maxReconnects: 3 })
      assert.strictEqual(text, "ab")
      assert.instanceOf(error, NetworkError)
      assert.strictEqual(asked.length, 4)
    }))

  it.effect("does not give up a log that is cut for hours while nothing is written", () =>
    Effect.gen(function*() {
      const cuts = Array.from({ length: 60 }, () =>
        Stream.concat(
          bytes(events("ab")),
          Stream.fromEffectDrain(Effect.andThen(Effect.sleep("15 minutes"), Effect.fail(reset)))
        ))
      const { layer } = service([...cuts, events("abc")], [...Array<string>(60 * 15).fill("active"), "terminated"])
      const { fiber, text } = yield* start(layer)
      for (let hour = 0; hour < 60 * 20 && fiber.pollUnsafe() === undefined; hour++) {
        yield* TestClock.adjust("1 minute")
      }
      assert.isUndefined(yield* Fiber.join(fiber))
      assert.strictEqual(text(), "abc")
    }))

  it.effect("does not give up while each connection brings a line", () =>
    Effect.gen(function*() {
      const texts = Array.from({ length: 26 }, (_, index) => "abcdefghijklmnopqrstuvwxyz".slice(0, index + 1))
      const { layer } = service([...texts.map((text) => broken(events(text))), events(texts.at(-1) ?? "")], [
        "terminated"
      ])
      assert.deepInclude(yield* run(layer, { maxReconnects: 1 }), { error: undefined, text: texts.at(-1) ?? "" })
    }))

  it.effect("waits as long as the service asks for, up to a minute", () =>
    Effect.gen(function*() {
      for (const [retry, wait] of [[5000, 5], [999_999_999, 60]] as const) {
        const { asked, layer } = service([`retry: ${retry}\n${events("a")}${cutEvent}`, events("ab")], ["terminated"])
        const begin = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
        assert.deepStrictEqual(asked.slice(0, 2), [`${begin} follow`, `${begin + wait} follow`])
      }
    }))

  it.effect("waits as long as a refusal asks for, up to a minute", () =>
    Effect.gen(function*() {
      for (const [millis, wait] of [[45_000, 45], [999_999, 60]] as const) {
        const refusal = new RateLimited({ operation: "test", retryAfterMillis: millis })
        const { asked, layer } = service([broken(events("a")), refusal, events("ab")], ["terminated"])
        assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
        const [, refused = 0, again = 0] = asked.map((what) => Number.parseInt(what, 10))
        assert.strictEqual(again - refused, wait)
      }
    }))

  it.effect("finds a connection dead that is silent from its beginning", () =>
    Effect.gen(function*() {
      const { layer } = service([silent(""), events("ab")], ["active", "terminated"])
      assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
    }))

  it.effect("finds a connection dead that is silent while the log goes on", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([silent(events("a")), events("abc")], ["active", "terminated"])
      const { fiber, text } = yield* start(layer)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual([text(), asked.length], ["a", 1])
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(yield* Fiber.join(fiber))
      assert.strictEqual(text(), "abc")
      assert.deepStrictEqual(asked.slice(0, 3), ["0 follow", "60 status", "60 read 1"])
    }))

  it.effect("keeps a silent connection where its last line is not to be had", () =>
    Effect.gen(function*() {
      for (const last of [204, 404, 500]) {
        const { asked, layer } = service([silent(events("a")), events("ab")], ["active", "active", "terminated"], last)
        assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
        assert.strictEqual(asked.filter((what) => what.endsWith("read 1")).length, 3)
      }
    }))

  it.effect("keeps a silent connection where the service is too busy to say whether the deployment runs", () =>
    Effect.gen(function*() {
      const failed = new ApiError({ operation: "test", status: 503, reason: "", retryable: true, outcome: "none" })
      // Where the status fails, the list is asked.
      const timeout = { operation: "test", phase: "headers", afterMillis: 60_000, outcome: "none" } as const
      const busy = [new RateLimited({ operation: "test" }), failed, new TimeoutError(timeout), reset]
      const { asked, layer } = service([silent(events("a")), events("ab")], [...busy, "terminated"], undefined, failed)
      assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
      assert.deepStrictEqual(asked.map((what) => what.split(" ")[1]), [
        "follow",
        "status",
        "status",
        "list",
        "status",
        "status",
        "status",
        // A line that was not read: the connection is dead.
        "read",
        "follow"
      ])
    }))

  it.effect("asks five times more for what was written behind the last cut, and fails then with the place", () =>
    Effect.gen(function*() {
      const late = service([events("ab"), reset, reset, reset, reset, reset, events("abc")], ["terminated"])
      assert.deepInclude(yield* run(late.layer), { error: undefined, text: "abc" })
      const never = service([events("ab"), reset], ["terminated"])
      const { error, text } = yield* run(never.layer)
      assert.strictEqual(text, "ab")
      assert.strictEqual(cursorOf(error).streams[0]?.lines, 2)
      assert.strictEqual(never.asked.filter((what) => what.endsWith("follow")).length, 7)
    }))

  it.effect("says of each failure that nothing was changed by it", () =>
    Effect.gen(function*() {
      const closed = yield* run(service([events("ab")]).layer, { maxReconnects: 0 })
      assert.deepInclude(closed.error, { _tag: "NetworkError", outcome: "none" })
      const odd = yield* run(service(["data:1\n\n"]).layer)
      assert.deepInclude(odd.error, { _tag: "InvalidResponse", outcome: "none" })
      const failed = yield* run(service([cutEvent]).layer, { maxReconnects: 0 })
      assert.deepInclude(failed.error, { _tag: "ApiError", outcome: "none" })
    }))

  it.effect("keeps a connection that is silent because nothing is written, but none that is older than the service lets it be", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([silent(events("ab")), silent(events("abc"))])
      const { fiber, text } = yield* start(layer)
      const follows = () => asked.filter((what) => what.endsWith("follow")).length
      for (let minute = 0; minute < 15; minute++) yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([text(), follows()], ["ab", 1])
      for (let minute = 0; minute < 3; minute++) yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([text(), follows()], ["abc", 2])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("ends when the deployment did while the connection was silent", () =>
    Effect.gen(function*() {
      const { layer } = service([silent(events("a")), events("ab")], ["terminated"])
      assert.deepInclude(yield* run(layer), { error: undefined, text: "ab" })
      // The rest is read even where nothing is to be connected again: its connection is dead.
      const dead = service([silent(events("a")), events("ab")], ["terminated"])
      assert.deepInclude(yield* run(dead.layer, { maxReconnects: 0 }), { error: undefined, text: "ab" })
      const gone = service([silent(events("a"))], [404])
      assert.deepInclude(yield* run(gone.layer), { error: undefined, text: "a" })
    }))

  it.effect("reads what a deployment writes while it stops, though it was silent before", () =>
    Effect.gen(function*() {
      const stopping = Stream.concat(
        bytes(events("a")),
        Stream.concat(Stream.fromEffectDrain(Effect.sleep("75 seconds")), bytes(events("bc", 1)))
      )
      const { asked, layer } = service([stopping, events("abc")], ["terminated"], events("a"))
      assert.deepInclude(yield* run(layer), { error: undefined, text: "abc" })
      assert.deepStrictEqual(asked, ["0 follow", "60 status", "60 read 1", "75 status", "75 follow"])
      // It was cut while it stopped: the rest is followed until it has.
      const later = Stream.concat(
        bytes(events("ab")),
        Stream.concat(Stream.fromEffectDrain(Effect.sleep("20 seconds")), bytes(events("c", 2)))
      )
      const cut = service([events("a"), later], ["terminated"])
      assert.deepInclude(yield* run(cut.layer), { error: undefined, text: "abc" })
    }))

  it.effect("waits for no container for ever that is over, and goes on in silence", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([silent(events("a")), silent(events("ab")), events("abc")], ["terminated"], 404)
      assert.deepInclude(yield* run(layer), { error: undefined, text: "abc" })
      assert.deepStrictEqual(asked.map((what) => what.slice(what.indexOf(" ") + 1)), [
        "follow",
        "status",
        "read 1",
        "follow",
        "read"
      ])
      assert.isAtMost(yield* Clock.currentTimeMillis, 250_000)
    }))

  it.effect("is read on though its token does not allow to look at the status, which is said once", () =>
    Effect.gen(function*() {
      const late = Stream.concat(
        bytes(events("a")),
        Stream.concat(Stream.fromEffectDrain(Effect.sleep("200 seconds")), bytes(events("b", 1)))
      )
      const { asked, layer } = service([late], [forbidden], events("a"), forbidden)
      const warnings: Array<unknown> = []
      const { error, text } = yield* Effect.provideService(run(layer), Logger.CurrentLoggers, collecting(warnings))
      // Whether there is more to come, nothing can tell.
      assert.deepInclude(error, { _tag: "AuthorizationError", scope: "rentals:view" })
      assert.strictEqual(cursorOf(error).streams[0]?.lines, 2)
      assert.strictEqual(text, "ab")
      assert.lengthOf(asked.filter((what) => what.endsWith("follow")), 1)
      assert.match(
        String(warnings),
        /^[^,]*the status of rental-[^,]* cannot be looked at: it was not allowed \(403\)$/
      )
      // The list tells as well.
      const told = service([events("ab"), events("abc")], [forbidden], undefined, "Stopped")
      assert.deepInclude(yield* run(told.layer), { error: undefined, text: "abc" })
    }))

  it.effect("hands out what comes while the status is waited for", () =>
    Effect.gen(function*() {
      const line = Stream.concat(Stream.fromEffectDrain(Effect.sleep("65 seconds")), bytes(events("b", 1)))
      const { asked, layer } = service([Stream.concat(bytes(events("a")), Stream.concat(line, Stream.never))], [
        "never told"
      ])
      const { fiber, text } = yield* start(layer)
      yield* TestClock.adjust("64 seconds")
      assert.deepStrictEqual([text(), asked], ["a", ["0 follow", "60 status"]])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(text(), "ab")
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(asked.filter((what) => what.endsWith("follow")), 1)
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("that stalls where nothing is waited for is a broken connection", () =>
    Effect.gen(function*() {
      const once = yield* run(service([silent(events("ab"))]).layer, { follow: false })
      assert.strictEqual(once.text, "ab")
      assert.deepInclude(once.error, { _tag: "NetworkError", phase: "body" })
      assert.strictEqual(cursorOf(once.error).streams[0]?.lines, 2)
      assert.approximately(yield* Clock.currentTimeMillis, 70_000, 12_000)
      const { asked, layer } = service([events("a"), silent(events("ab"))], ["terminated"])
      const { error, text } = yield* run(layer)
      assert.strictEqual(text, "ab")
      assert.deepInclude(error, { _tag: "NetworkError", phase: "body" })
      assert.strictEqual(cursorOf(error).streams[0]?.lines, 2)
      assert.lengthOf(asked.filter((what) => what.endsWith("read")), 6)
    }))

  it.effect("that is not followed survives a pause of the reader, and the sleep of the machine", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let slept = 0
      const wall: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + slept
      })
      const body = Stream.concat(
        bytes(events("a")),
        Stream.concat(Stream.fromEffectDrain(Effect.sleep("55 seconds")), bytes(events("b", 1)))
      )
      let text = ""
      const { layer } = service([body])
      const fiber = yield* Stream.unwrap(LogStream.useSync((logs) => logs.follow(rentalId, { follow: false }))).pipe(
        Stream.runForEach(({ message }) =>
          Effect.andThen(Effect.sync(() => text += message), Effect.sleep("10 minutes"))
        ),
        Effect.provide(layer),
        Effect.provideService(Clock.Clock, wall),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("10 minutes")
      yield* TestClock.adjust("10 seconds")
      slept = 300_000
      yield* TestClock.adjust("11 minutes")
      yield* Fiber.join(fiber)
      assert.strictEqual(text, "ab")
    }))

  it.effect("says that it connects again, where that is more than the service's own cut", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        said.push(`${logLevel} ${String(message)}`)
      })
      const failed = new ApiError({ operation: "test", status: 502, reason: "no", retryable: true, outcome: "none" })
      const half = { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 }
      const { error } = yield* run(service([broken(events("ab")), failed]).layer, { maxReconnects: 7 }).pipe(
        Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provideService(Random.Random, half)
      )
      assert.deepStrictEqual(said.map((one) => one.split(" ")[0]), [
        "Debug",
        "Warn",
        "Debug",
        "Debug",
        "Debug",
        "Debug",
        "Warn",
        "Warn"
      ])
      assert.match(
        said[1] ?? "",
        /LogStream\.follow: connects to the log of rental-.* again in 0\.5 s, number 2 in a row: the service answered 502, saying: no$/
      )
      assert.match(said[7] ?? "", /gives up the log of rental-.* after 7 new connections in [\d.]+ s: .*502/)
      assert.match(error?.message ?? "", /saying: no \(after 7 new connections in [\d.]+ s\)\. Try again later\.$/)
    }))

  it.effect("connects again when the machine has slept", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([silent(events("a")), silent(events("ab"))])
      let slept = 0
      const clock = yield* Clock.Clock
      const wall: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + slept
      })
      const { fiber, text } = yield* start(layer).pipe(Effect.provideService(Clock.Clock, wall))
      yield* TestClock.adjust("10 seconds")
      slept = 300_000
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(text(), "ab")
      assert.strictEqual(asked.length, 2)
      yield* Fiber.interrupt(fiber)
    }))
})

describe("a log that is none", () => {
  it.effect("or whose service says an error in another shape, does not end as a whole one", () =>
    Effect.gen(function*() {
      const bodies = [
        [`${events("a")}event: error\ndata: {"error":"validator lost"}\n\n`, "ApiError"],
        ["{\"error\":\"upstream broke\"}\n\n", "NetworkError"],
        ["<html>502 Bad Gateway</html>\r\n\r\n", "NetworkError"]
      ] as const
      for (const [body, tag] of bodies) {
        const { error } = yield* run(service([body]).layer, { follow: false })
        assert.strictEqual(error?._tag, tag, body)
        const followed = service([body, events("ab")], ["active", "terminated"])
        assert.deepInclude(yield* run(followed.layer), { error: undefined, text: "ab" })
      }
      // A body of comments alone is a log without lines, and what has no message is no line.
      for (const body of [": nothing\n\n", "data:{\"heartbeat\":true,\"error\":null}\n\n", "\n\n"]) {
        assert.deepInclude(yield* run(service([body]).layer, { follow: false }), { error: undefined, text: "" })
      }
    }))

  it.effect("has names of streams or times that are longer than 256 characters", () =>
    Effect.gen(function*() {
      const long = "x".repeat(257)
      for (const line of [logEvent("b", long, at(1)), logEvent("b", "stdout", long)]) {
        for (const before of ["", events("a")]) {
          const { error, text } = yield* run(service([before + line]).layer)
          assert.strictEqual(error?._tag, "InvalidResponse")
          assert.strictEqual(text, before === "" ? "" : "a")
        }
      }
      const { entries } = yield* run(service([logEvent("b", long.slice(1), at(1))], ["terminated"]).layer)
      assert.lengthOf(entries, 1)
    }))
})

describe("a gap in a log", () => {
  const rotated = () => service([broken(events("ab")), broken(events("xy", 100)), events("xyz", 100)], ["terminated"])

  it.effect("is an error that says what is missing, with the place to go on from", () =>
    Effect.gen(function*() {
      const { error, text } = yield* run(rotated().layer)
      assert.strictEqual(text, "ab")
      assert.instanceOf(error, LogGap)
      assert.deepInclude(error, { id: rentalId, stream: "stdout", after: at(1), before: at(100), linesBefore: 2 })
      const rest = yield* run(service([events("xyz", 100)], ["terminated"]).layer, { from: cursorOf(error) })
      assert.deepInclude(rest, { error: undefined, text: "xyz" })
    }))

  it.effect("is passed with one warning and one count where that is wanted", () =>
    Effect.gen(function*() {
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        warnings.push([logLevel, message])
      })
      yield* Effect.gen(function*() {
        const { error, text } = yield* run(rotated().layer, { onGap: "continue" })
        assert.deepStrictEqual([error, text], [undefined, "abxyz"])
        assert.strictEqual(warnings.length, 1)
        assert.match(String(warnings[0]), /^Warn.*lines of stdout of deployment .* may be missing/)
        const counted = (yield* Metric.snapshot).find(({ id }) => id === "basilica_log_gaps_total")
        assert.strictEqual(counted?.type === "Counter" ? Number(counted.state.count) : undefined, 1)
      }).pipe(
        Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
    }))

  it.effect("shows nothing of a stranger's that a terminal would act on", () =>
    Effect.gen(function*() {
      const evil = "\u001b[2J\n[00:00:00] ERROR: all machines stopped\u202e"
      const line = (text: string, seconds: number) => logEvent(text, `stdout${evil}`, at(seconds) + evil)
      const answers = [broken(line("a", 0)), line("b", 9)]
      const failed = yield* run(service(answers, ["terminated"]).layer)
      assert.instanceOf(failed.error, LogGap)
      const said: Array<unknown> = []
      const passed = run(service(answers, ["terminated"]).layer, { onGap: "continue" })
      assert.isUndefined((yield* Effect.provideService(passed, Logger.CurrentLoggers, collecting(said))).error)
      assert.isNotEmpty(said)
      for (const text of [failed.error?.message, failed.error?.stack?.split("\n    at")[0], ...said.map(String)]) {
        assert.match(text ?? "", /lines of stdout/)
        assert.notMatch(text ?? "", /[\p{Cc}\p{Cf}]/u)
      }
    }))

  it.effect("is noticed at the end of a log that is shorter than what was read", () =>
    Effect.gen(function*() {
      for (const body of ["", events("a")]) {
        const { error, text } = yield* run(service([broken(events("ab")), body], ["terminated"]).layer)
        assert.strictEqual(text, "ab")
        assert.instanceOf(error, LogGap)
        const rest = yield* run(service([body], ["terminated"]).layer, { from: cursorOf(error) })
        assert.isUndefined(rest.error)
      }
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ message }) => {
        warnings.push(message)
      })
      const passed = service([broken(events("ab")), ""], ["terminated"]).layer
      const { error } = yield* Effect.provideService(
        run(passed, { onGap: "continue" }),
        Logger.CurrentLoggers,
        new Set([logger])
      )
      assert.isUndefined(error)
      assert.match(String(warnings), /may be missing/)
    }))

  it.effect("is found in a log that was replaced by one that begins with the same text", () =>
    Effect.gen(function*() {
      const { error } = yield* run(service([broken(events("ab")), events("abc", 100)], ["terminated"]).layer)
      assert.instanceOf(error, LogGap)
    }))

  it.effect("is none where a line has the time at which the service met it", () =>
    Effect.gen(function*() {
      const now = (seconds: number) => new Date(Date.UTC(2025, 8, 20, 13, 0, seconds)).toISOString()
      const greeting = (seconds: number) => logEvent("Warning: added the host", "stderr", now(seconds))
      for (const tail of [undefined, 5]) {
        const { error, text } = yield* run(
          service([
            broken(greeting(1) + events("ab")),
            broken(greeting(2) + events("abc")),
            greeting(3) + events("abcd") + events("e", 5, "stderr")
          ], ["terminated"]).layer,
          { tail }
        )
        assert.deepStrictEqual([error, text], [undefined, "Warning: added the hostabcde"], `tail ${tail}`)
      }
    }))

  it.effect("is none where that time is a second before the one that the service says, which it rounds", () =>
    Effect.gen(function*() {
      const greeting = logEvent("w", "stderr", "2025-09-20T12:59:59Z")
      const { layer } = service([broken(logEvent("w", "stderr", at(1)) + events("a")), greeting + events("ab")], [
        "terminated"
      ])
      assert.deepInclude(yield* run(layer), { error: undefined, text: "wab" })
      const quiet = service([silent(logEvent("w", "stderr", at(1)))], ["active"], greeting)
      const { fiber } = yield* start(quiet.layer)
      yield* TestClock.adjust("3 minutes")
      assert.lengthOf(quiet.asked.filter((what) => what.endsWith("follow")), 1)
      yield* Fiber.interrupt(fiber)
    }))
})

describe("the place behind a cut", () => {
  const same = (text: string, seconds: number) => logEvent(text, "stdout", at(seconds))

  it.effect("is found where lines at the front are gone that were all the same", () =>
    Effect.gen(function*() {
      const [head, last] = [same("h", 0), same("x", 1)]
      const { asked, layer } = service([
        broken(head.repeat(3) + last.repeat(2)),
        broken(head.repeat(2) + last.repeat(3)),
        head.repeat(2) + last.repeat(3) + same("y", 2)
      ], ["terminated"])
      assert.deepInclude(yield* run(layer), { error: undefined, text: "hhhxxxy" })
      assert.isAtMost(asked.length, 6)
    }))

  it.effect("is not guessed where the log begins with a line that is the same as the last one", () =>
    Effect.gen(function*() {
      const left = same("b", 1) + same("c", 2)
      const { error, text } = yield* run(service([broken(same("a", 0) + same("b", 1)), left], ["terminated"]).layer)
      assert.strictEqual(text, "ab")
      assert.instanceOf(error, LogGap)
      // Behind the gap that was told of, it is.
      const rest = yield* run(service([left], ["terminated"]).layer, { from: cursorOf(error) })
      assert.deepInclude(rest, { error: undefined, text: "c" })
    }))

  it.effect("that is not certain is taken for the first that it can be, where gaps are passed", () =>
    Effect.gen(function*() {
      const log = same("x", 1) + same("x", 1) + same("y", 2)
      const { error, text } = yield* run(service([broken(same("x", 1)), log, log], ["terminated"]).layer, {
        tail: 1,
        onGap: "continue"
      })
      assert.deepStrictEqual([error, text], [undefined, "xxy"])
    }))

  it.effect("is not looked for again and again where each connection brings another log", () =>
    Effect.gen(function*() {
      const both = events("123456", 0, "A") + events("123456", 0, "B")
      const odd = (good: string, bad: string) =>
        events("123456", 0, good) + events("12345", 0, bad) + logEvent("x", bad, at(9))
      const answers = Array.from({ length: 60 }, (_, index) => index % 2 === 0 ? odd("A", "B") : odd("B", "A"))
      const { asked, layer } = service([broken(both), ...answers])
      const { error, text } = yield* run(layer)
      assert.strictEqual(text, "123456123456")
      assert.instanceOf(error, NetworkError)
      assert.isAtMost(asked.length, 24)
      assert.isAbove(yield* Clock.currentTimeMillis, 30_000)
    }))

  it.effect("is that of the last line before, where the service does not say its time and nothing that is there is wanted", () =>
    Effect.gen(function*() {
      const undated = (body: Body) => reply(body, { date: undefined })
      // By the clock of this machine all that is in the past.
      yield* TestClock.setTime(Date.UTC(2030, 0))
      const { layer } = service([undated(broken("")), undated(events("abc"))], ["terminated"], events("b", 1))
      assert.deepInclude(yield* run(layer, { tail: 0 }), { error: undefined, text: "bc" })
      const empty = service([undated(broken("")), undated(events("abc"))], ["terminated"], "")
      assert.deepInclude(yield* run(empty.layer, { tail: 0 }), { error: undefined, text: "abc" })
    }))

  it.effect("is known on the first connection where the last line gets another time on each", () =>
    Effect.gen(function*() {
      const now = (seconds: number) => new Date(Date.UTC(2025, 8, 20, 13, 0, seconds)).toISOString()
      const stamped = (seconds: number) => logEvent("w", "stdout", now(seconds))
      const { asked, layer } = service([
        broken(same("a", 0) + stamped(1)),
        same("a", 0) + stamped(2) + same("b", 1),
        same("a", 0) + stamped(3) + same("b", 1)
      ], ["terminated"])
      assert.deepInclude(yield* run(layer), { error: undefined, text: "awb" })
      assert.deepStrictEqual(asked.map((what) => what.split(" ")[1]), ["follow", "follow", "status", "follow"])
    }))

  it.effect("is found behind what the way to the container says at first, where the reading began with the last lines", () =>
    Effect.gen(function*() {
      const now = (seconds: number) => new Date(Date.UTC(2025, 8, 20, 13, 0, seconds)).toISOString()
      const greeting = (seconds: number) => logEvent("w", "stderr", now(seconds))
      const { layer } = service([
        broken(greeting(1) + events("cd", 2, "stderr")),
        greeting(2) + events("abcde", 0, "stderr"),
        greeting(3) + events("abcde", 0, "stderr")
      ], ["terminated"])
      assert.deepInclude(yield* run(layer, { tail: 2 }), { error: undefined, text: "wcde" })
    }))

  it.effect("is still known by its number after a connection that was cut before it", () =>
    Effect.gen(function*() {
      /** Lines without a time of their own behind one that has one: they bear that of the connection, and all say the same. */
      const same = (count: number, seconds: number) => events("x") + events("a".repeat(count), 3600 + seconds)
      const on = (seconds: number, body: Body) => reply(body, { date: Date.UTC(2025, 8, 20, 13, 0, seconds) })
      const { layer } = service([
        on(0, broken(same(8, 0))),
        on(10, broken(same(2, 10))),
        on(20, same(9, 20))
      ], ["terminated"])
      assert.deepInclude(yield* run(layer), { error: undefined, text: `x${"a".repeat(9)}` })
    }))

  it.effect("is found there too where the last lines began among lines of one time", () =>
    Effect.gen(function*() {
      const now = (seconds: number) => new Date(Date.UTC(2025, 8, 20, 13, 0, seconds)).toISOString()
      const greeting = (seconds: number) => logEvent("w", "stderr", now(seconds))
      const ofOneTime = (texts: string) => Array.from(texts).map((text) => logEvent(text, "stderr", at(1))).join("")
      for (const later of ["", "e"]) {
        const { layer } = service([
          broken(greeting(1) + ofOneTime("cd") + events(later, 2, "stderr")),
          greeting(2) + events("a", 0, "stderr") + ofOneTime("bcd") + events("ef", 2, "stderr")
        ], ["terminated"])
        assert.deepInclude(yield* run(layer, { tail: 3 }), { error: undefined, text: "wcdef" })
      }
    }))

  it.effect("is found where the clock of the container was set back among the last lines", () =>
    Effect.gen(function*() {
      const last = events("d", 5) + events("e", 2) + events("fg", 6)
      const { layer } = service([broken(last), events("a", 1) + events("bc", 3) + last + events("h", 8)], [
        "terminated"
      ])
      assert.deepInclude(yield* run(layer, { tail: 4 }), { error: undefined, text: "defgh" })
    }))

  it.effect("reports a second gap that follows the first", () =>
    Effect.gen(function*() {
      const lost = yield* run(service([broken(events("ab")), events("cd", 9)], ["terminated"]).layer)
      const from = cursorOf(lost.error)
      assert.isTrue(from.streams[0]?.gap)
      // What was read is there again, so the gap is over.
      const { error, text } = yield* run(service([broken(events("ab")), events("xy", 100)], ["terminated"]).layer, {
        from
      })
      assert.strictEqual(text, "")
      assert.instanceOf(error, LogGap)
    }))

  it.effect("is before all lines behind a gap that was told of, though one has the time of what was read", () =>
    Effect.gen(function*() {
      const log = same("x", 1) + same("y", 2)
      const { error, text } = yield* run(service([broken(events("ab")), log], ["terminated"]).layer)
      assert.strictEqual(text, "ab")
      assert.instanceOf(error, LogGap)
      const rest = yield* run(service([log], ["terminated"]).layer, { from: cursorOf(error) })
      assert.deepInclude(rest, { error: undefined, text: "xy" })
    }))

  it.effect("is asked for with the last lines again while none came, and from the beginning where there were none", () =>
    Effect.gen(function*() {
      const soon = service([broken(""), events("bc", 1), events("abc")], ["terminated"])
      assert.deepInclude(yield* run(soon.layer, { tail: 2 }), { error: undefined, text: "bc" })
      assert.deepStrictEqual(soon.asked.map((what) => what.slice(what.indexOf(" ") + 1)), [
        "follow 2",
        "follow 2",
        "status",
        "follow"
      ])
      const late = Stream.fromEffectDrain(Effect.andThen(Effect.sleep("1 minute"), Effect.fail(reset)))
      const empty = service([late, events("abc"), events("abc")], ["terminated"])
      assert.deepInclude(yield* run(empty.layer, { tail: 2 }), { error: undefined, text: "abc" })
    }))

  it.effect("is not behind a line that only looks like one at its end", () =>
    Effect.gen(function*() {
      const bad = `data:{"message":"a\tb","stream":"stdout","timestamp":"${at(0)}"}\n\n`
      const { entries, error } = yield* run(service([bad]).layer)
      assert.strictEqual(error?._tag, "InvalidResponse")
      assert.deepStrictEqual(entries, [])
    }))

  it.effect("has no more than 64 streams", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 65 }, (_, index) => events("a", index, `s${index}`)).join("")
      const { entries, error } = yield* run(service([many]).layer)
      assert.strictEqual(error?._tag, "InvalidResponse")
      assert.lengthOf(entries, 64)
    }))
})

describe("what ssh says on the way to the container", () => {
  /** A time while the connection stands, which began at 13:00. */
  const later = (seconds: number) => new Date(Date.UTC(2025, 8, 20, 13, 0, seconds)).toISOString()
  const said = (texts: string, begin = 0) => events(texts, begin, "stderr")
  const word = (text: string, seconds: number) => logEvent(text, "stderr", later(seconds))
  const live = (text: string, seconds: number) => logEvent(text, "stderr", later(seconds))
  const young = (seconds: number) => ({ date: Date.UTC(2025, 8, 20, 13, 0, seconds) })

  it.effect("when it breaks, and never again, hides no line that follows", () =>
    Effect.gen(function*() {
      const { asked, layer } = service([
        broken(said("abcde") + word("-", 1)),
        reply(silent(said("abcde") + live("f", 11) + live("g", 12)), young(10))
      ])
      const { fiber, text } = yield* start(layer)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(text(), "abcde-fg")
      assert.lengthOf(asked, 2)
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("hides none that was written before ssh noticed, nor the rest of what was being read", () =>
    Effect.gen(function*() {
      for (const [before, after] of [["abcde", "abcdefg"], ["ab", "abcdefg"], ["abcdefgh", "abcdefghi"]] as const) {
        for (const words of [word("-", 1), word("-", 1) + word("+", 2)]) {
          const { layer } = service([broken(said(before) + words), said(after)], ["terminated"])
          const { error, text } = yield* run(layer)
          assert.isUndefined(error)
          assert.strictEqual(text.replace(/[-+]+/, ""), after)
        }
      }
    }))

  it.effect("is no line whose absence is a gap, at the end and where the stream had nothing else", () =>
    Effect.gen(function*() {
      for (const [before, after] of [["abc", "abc"], ["", ""], ["", "a"], ["", "abc"]] as const) {
        const { layer } = service([broken(said(before) + word("-", 1)), said(after)], ["terminated"])
        assert.deepInclude(yield* run(layer), { error: undefined, text: `${before}-${after.slice(before.length)}` })
      }
      const lively = service([
        broken(word("-", 1)),
        reply(broken(live("a", 11)), young(10)),
        reply(live("a", 11) + live("b", 21), young(20))
      ], ["terminated"])
      assert.deepInclude(yield* run(lively.layer), { error: undefined, text: "-ab" })
    }))

  it.effect("on each connection is no gap, however many lines it has, and comes once", () =>
    Effect.gen(function*() {
      for (const size of [1, 3, 4, 5, 20]) {
        const banner = (seconds: number) =>
          Array.from({ length: size }, (_, line) => word(`${line};`, seconds)).join("")
        const on = (seconds: number, text: string, end: (text: string) => Body = broken) =>
          reply(end(banner(seconds) + text), young(seconds))
        const { layer } = service([
          on(10, said("abcdefgh")),
          on(20, said("abc")),
          on(30, said("abcdefghi")),
          on(40, said("abcdefghij") + live("k", 41)),
          on(50, said("abcdefghij") + live("k", 41), (text) => text)
        ], ["terminated"])
        const { error, text } = yield* run(layer)
        assert.deepStrictEqual({ error, text }, {
          error: undefined,
          text: `${Array.from({ length: size }, (_, line) => `${line};`).join("")}abcdefghijk`
        })
      }
    }))

  it.effect("on each connection is no gap where the first was cut within it", () =>
    Effect.gen(function*() {
      const banner = (seconds: number, size: number) =>
        Array.from({ length: size }, (_, line) => word(`${line};`, seconds + line)).join("")
      for (const tail of [undefined, 9]) {
        const { layer } = service([
          reply(broken(banner(10, 2)), young(10)),
          reply(broken(banner(20, 2)), young(20)),
          reply(broken(banner(30, 6) + live("a", 31) + live("b", 32)), young(30)),
          reply(broken(banner(40, 6) + live("a", 31) + live("b", 32) + live("c", 41)), young(40)),
          reply(banner(50, 6) + live("a", 31) + live("b", 32) + live("c", 41) + live("d", 51), young(50))
        ], ["terminated"])
        const { error, text } = yield* run(layer, { tail })
        assert.deepStrictEqual({ error, text }, { error: undefined, text: "0;1;2;3;4;5;abcd" })
      }
    }))

  it.effect("on each connection is known where the clock of the container is ahead", () =>
    Effect.gen(function*() {
      const banner = (begin: number) => Array.from("12345").map((text, line) => word(text, begin + line)).join("")
      const log = (texts: string) => Array.from(texts).map((text, line) => live(text, 600 + line)).join("")
      const { layer } = service([
        reply(broken(banner(0) + log("ab")), young(0)),
        reply(broken(banner(10) + log("abc")), young(10)),
        reply(banner(20) + log("abcd"), young(20))
      ], ["terminated"])
      const { error, text } = yield* run(layer)
      assert.deepStrictEqual({ error, text }, { error: undefined, text: "12345abcd" })
    }))

  it.effect("is no gap where nothing else comes, or it comes before the log", () =>
    Effect.gen(function*() {
      const { layer } = service([
        broken(said("abcdef")),
        reply(word("refused", 10), young(10)),
        reply(broken(word("hello", 20) + said("abcdefg")), young(20)),
        reply(word("again", 30) + said("abcdefgh"), young(30))
      ], ["active", "terminated"])
      const { error, text } = yield* run(layer)
      assert.isUndefined(error)
      assert.strictEqual(text, "abcdefgh")
    }))

  it.effect("leaves the place where it was, however often it is said while nothing is written", () =>
    Effect.gen(function*() {
      const cuts = Array.from(
        { length: 12 },
        (_, cut) => reply(broken(said("abcdef") + word(`(${cut})`, 10 * cut + 1)), young(10 * cut))
      )
      const { layer } = service([...cuts, reply(said("abcdef") + live("g", 201), young(200))], ["terminated"])
      const { error, text } = yield* run(layer)
      assert.isUndefined(error)
      assert.strictEqual(text.replace(/\(\d+\)/g, ""), "abcdefg")
    }))

  describe("as a greeting of several lines", () => {
    const banner = (size: number, seconds: number) =>
      Array.from({ length: size }, (_, line) => word(`${line};`, seconds)).join("")
    const spoken = (size: number) => Array.from({ length: size }, (_, line) => `${line};`).join("")
    const many = (count: number) => "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".slice(0, count)
    const lively = (count: number, seconds: number) =>
      Array.from(many(count), (text, line) => live(text, seconds + line)).join("")
    const on = (seconds: number, body: string, end: (text: string) => Body = broken) => reply(end(body), young(seconds))
    const last = (text: string) => text

    it.effect("is known however many lines of a deployment that is followed come behind it", () =>
      Effect.gen(function*() {
        for (const size of [1, 4, 5, 20]) {
          const { layer } = service([
            on(10, banner(size, 10) + lively(40, 11)),
            on(60, banner(size, 60) + lively(40, 11)),
            on(70, banner(size, 70) + lively(42, 11), last)
          ], ["terminated"])
          assert.deepInclude(yield* run(layer), { error: undefined, text: spoken(size) + many(42) })
        }
      }))

    it.effect("is known where nothing else came at first", () =>
      Effect.gen(function*() {
        const { layer } = service([
          on(10, banner(5, 10)),
          on(20, banner(5, 20) + lively(30, 21)),
          on(60, banner(5, 60) + lively(31, 21), last)
        ], ["terminated"])
        assert.deepInclude(yield* run(layer), { error: undefined, text: spoken(5) + many(31) })
      }))

    it.effect("is known after a connection that did not come so far", () =>
      Effect.gen(function*() {
        const { layer } = service([
          on(10, banner(5, 10) + lively(2, 11)),
          on(20, word("lost", 20)),
          on(30, banner(5, 30) + lively(2, 11)),
          on(40, banner(5, 40) + lively(3, 11), last)
        ], ["terminated"])
        const { error, text } = yield* run(layer)
        assert.isUndefined(error)
        assert.strictEqual(text.replace("lost", ""), spoken(5) + many(3))
      }))

    it.effect("is learnt after a first connection that was refused", () =>
      Effect.gen(function*() {
        const { layer } = service([
          on(10, word("refused", 10)),
          on(20, banner(4, 20) + said("ab")),
          on(30, banner(4, 30) + said("abc")),
          on(40, banner(4, 40) + said("abcd"), last)
        ], ["terminated"])
        const passed = yield* run(layer, { onGap: "continue" })
        assert.isUndefined(passed.error)
        assert.strictEqual(passed.text.replace(/refused|\d;/g, ""), "abcd")
      }))

    it.effect("is none of the last lines that were asked for: what was written before it is wanted", () =>
      Effect.gen(function*() {
        const { layer } = service([
          on(10, word("lost", 40)),
          on(50, events("ab", 3600 + 20) + events("c", 3600 + 45), last)
        ], ["terminated"])
        assert.deepInclude(yield* run(layer, { tail: 10 }), { error: undefined, text: "lostabc" })
      }))
  })

  it.effect("is no later line, by which those of the time where the last lines began would be known", () =>
    Effect.gen(function*() {
      const ofOneTime = (texts: string) => Array.from(texts).map((text) => logEvent(text, "stderr", at(1))).join("")
      const { layer } = service([
        broken(ofOneTime("a") + word("-", 1)),
        reply(ofOneTime("abc") + said("d", 2), young(60))
      ], ["terminated"])
      assert.deepInclude(yield* run(layer, { tail: 1 }), { error: undefined, text: "a-bcd" })
    }))

  it.effect("does not hide what follows a cursor that was moved behind it", () =>
    Effect.gen(function*() {
      const line = (message: string, timestamp: string): LogEntry => ({ message, stream: "stderr", timestamp })
      const lines = [line("a", at(0)), line("b", at(1)), line("lost", later(1))]
      const from = lines.reduce((cursor, entry) => LogCursor.after(cursor, entry), LogCursor.start(rentalId))
      const { layer } = service([reply(said("abc"), young(10))], ["terminated"])
      assert.deepInclude(yield* run(layer, { from }), { error: undefined, text: "c" })
    }))

  it.effect("says nothing of lines that were written before it: they are no loss in silence", () =>
    Effect.gen(function*() {
      const word: LogEntry = { message: "lost", stream: "stderr", timestamp: later(1) }
      const from = LogCursor.after(LogCursor.start(rentalId), word)
      const { layer } = service([
        reply(said("a") + logEvent("lost", "stderr", later(20)), young(10))
      ], ["terminated"])
      const { error, text } = yield* run(layer, { from })
      assert.isTrue(error instanceof LogGap || text.startsWith("a"), `${error?.message ?? "no error"}, ${text}`)
    }))

  it.effect("alone is no progress: where nothing else comes, the log is given up", () =>
    Effect.gen(function*() {
      const cuts = Array.from(
        { length: 40 },
        (_, cut) => reply(broken(word(`(${cut})`, 10 * cut + 1)), young(10 * cut))
      )
      const { asked, layer } = service(cuts)
      const { error } = yield* run(layer, { maxReconnects: 3 })
      assert.instanceOf(error, NetworkError)
      assert.lengthOf(asked, 4)
    }))

  it.effect("may be the whole rest of another container's log, which is read behind the gap", () =>
    Effect.gen(function*() {
      const answers = [broken(said("abcdefgh")), reply(live("u", 11) + live("v", 12), young(10))]
      assert.instanceOf((yield* run(service(answers, ["terminated"]).layer)).error, LogGap)
      const passed = yield* run(service(answers, ["terminated"]).layer, { onGap: "continue" })
      assert.deepInclude(passed, { error: undefined, text: "abcdefghuv" })
    }))

  it.effect("first, as before, does not tell that the log is the same", () =>
    Effect.gen(function*() {
      const hello = (seconds: number) => word("hello", seconds)
      // Of the front of the log nothing is left but what was read, and new lines follow.
      const { layer } = service([
        broken(hello(1) + said("abcdefghij")),
        reply(silent(hello(11) + said("ij", 8) + live("k", 12)), young(10))
      ])
      const { fiber, text } = yield* start(layer)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(text(), "helloabcdefghijk")
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("is not taken for the first line of another container's log, of which none is lost", () =>
    Effect.gen(function*() {
      const second = live("a", 11) + ["u", "v", "w", "x"].map((text, index) => live(text, 12 + index)).join("")
      const answers = [broken(said("abcdefgh")), reply(silent(second), young(10)), reply(second, young(60))]
      const first = yield* run(service(answers, ["terminated"]).layer)
      assert.instanceOf(first.error, LogGap)
      const rest = yield* run(service([reply(second, young(60))], ["terminated"]).layer, {
        from: cursorOf(first.error)
      })
      assert.deepInclude(rest, { error: undefined, text: "auvwx" })
      const passed = yield* run(service(answers, ["terminated"]).layer, { onGap: "continue" })
      assert.deepInclude(passed, { error: undefined, text: "abcdefghauvwx" })
    }))
})

describe("a cursor", () => {
  it.effect("is where a reader is, moved line by line", () =>
    Effect.gen(function*() {
      const ofTwo = events("ab") + events("x", 1, "stderr") + logEvent("c", "stdout", at(1)) + events("d", 2)
      const ofOneTime = ["a", "b"].map((text) => logEvent(text, "stdout", at(0))).join("")
      const all = [ofTwo, ofOneTime].flatMap((text) => [{ body: text, tail: undefined }, { body: text, tail: 7 }])
      for (const { body, tail } of all) {
        const { entries, error } = yield* run(service([broken(body)]).layer, { tail, maxReconnects: 0 })
        const moved = entries.reduce(LogCursor.after, LogCursor.start(rentalId, { tail }))
        // When the connection began, which tells what the service may have stamped, only the SDK knows.
        const { streams, ...rest } = cursorOf(error)
        const asMoved = streams.map((one) => Object.fromEntries(Object.entries(one).filter(([key]) => key !== "young")))
        assert.deepStrictEqual<unknown>({ ...rest, streams: asMoved }, moved)
        for (let read = 0; read <= entries.length; read++) {
          const from = entries.slice(0, read).reduce(LogCursor.after, LogCursor.start(rentalId))
          const rest = yield* run(service([body], ["terminated"]).layer, { from })
          assert.isUndefined(rest.error)
          assert.sameMembers(
            rest.entries.map(({ message }) => message),
            entries.slice(read).map(({ message }) => message)
          )
        }
      }
    }))

  it.effect("works for a log that is not followed", () =>
    Effect.gen(function*() {
      const from = LogCursor.after(LogCursor.start(rentalId), { timestamp: at(0), stream: "stdout", message: "a" })
      assert.deepInclude(yield* run(service([events("abc")]).layer, { follow: false, from }), {
        error: undefined,
        text: "bc"
      })
      const gap = yield* run(service([events("c", 9)]).layer, { follow: false, from })
      assert.instanceOf(gap.error, LogGap)
      assert.strictEqual(gap.text, "")
    }))

  it.effect("is refused in the name of the method that was called", () =>
    Effect.gen(function*() {
      const from = LogCursor.start("another")
      const direct = yield* run(service([]).layer, { from })
      assert.match(direct.error?.message ?? "", /^LogStream\.follow: from is a place in the log of another deployment/)
      const error = yield* Deployments.use((deployments) =>
        Effect.flip(Stream.runDrain(deployments.logs(rentalId, { from })))
      ).pipe(Effect.provide(MemoryBasilica.layer()))
      assert.match(error.message, /^Deployments\.logs: from is a place in the log of another deployment/)
      const odd = yield* Deployments.use((deployments) => Effect.flip(Stream.runDrain(deployments.logs("a/b")))).pipe(
        Effect.provide(MemoryBasilica.layer())
      )
      assert.match(odd.message, /^Deployments\.logs: id /)
    }))

  it.effect("is refused for another deployment, with tail, and when it is none", () =>
    Effect.gen(function*() {
      const bad: ReadonlyArray<LogOptions> = [
        { from: LogCursor.start("rental-other") },
        { from: LogCursor.start(rentalId), tail: 1 },
        { from: { id: rentalId } as LogCursor },
        { onGap: "ignore" as "fail" },
        { maxReconnects: -1 }
      ]
      for (const options of bad) {
        assert.strictEqual((yield* run(service([]).layer, options)).error?._tag, "ConfigurationError")
      }
    }))
})

describe("a followed log over real connections", () => {
  const atOnce = Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 0, nextIntUnsafe: () => 0 })
  const follow = (options?: LogOptions) =>
    Stream.unwrap(LogStream.useSync((logStream) => logStream.follow(rentalId, options)))

  it.live("is whole wherever the connection is cut", () =>
    Effect.gen(function*() {
      const body = Buffer.from(events("aä") + events("😀", 1, "stderr") + events("b", 2))
      for (let cut = 0; cut <= body.length; cut++) {
        let connections = 0
        const server = yield* scriptedServer((response, { url }) => {
          if (!url.includes("/logs")) return json(response, 200, rental(connections > 1 ? "terminated" : "active"))
          response.writeHead(200, { "content-type": "text/event-stream" })
          if (++connections > 1) return response.end(body)
          // A promise, because a write of nothing is never called back.
          return response.write(Buffer.concat([body.subarray(0, cut), Buffer.from(":")]), () =>
            cut % 2 === 0 ? response.socket?.destroy() : response.socket?.resetAndDestroy())
        })
        const entries = yield* Stream.runCollect(follow()).pipe(against({ baseUrl: server.url }), atOnce)
        for (const [stream, texts] of [["stdout", "aäb"], ["stderr", "😀"]] as const) {
          const read = entries.filter((entry) =>
            entry.stream === stream
          ).map(({ message }) => message).join("")
          assert.strictEqual(read, texts, `cut at ${cut}`)
        }
      }
    }))

  it.live("is read to its end by a reader that is busy, wherever that gives way to others", () =>
    Effect.gen(function*() {
      let finish = () => {}
      const server = yield* scriptedServer((response, { url }) => {
        if (url === "/rentals") return json(response, 200, { rentals: [], total_count: 0 })
        if (!url.includes("/logs")) return bare(response, 404)
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(events("a"))
        finish = () => response.end(events("b", 1))
      })
      const layer = Basilica.layer({ baseUrl: server.url, token: "t" })
      yield* Effect.gen(function*() {
        const logs = yield* LogStream
        for (const follow of [false, true]) {
          for (let busy = 0; busy < 150; busy++) {
            const messages: Array<string> = []
            const read = Stream.runForEach(logs.follow(rentalId, { follow }), ({ message }) =>
              Effect.gen(function*() {
                messages.push(message)
                if (message !== "a") return
                yield* Effect.sleep(2)
                finish()
                for (let step = 0; step < busy; step++) yield* Effect.suspend(() => Effect.void)
              }))
            const ended = yield* read.pipe(
              Effect.provideService(MaxOpsBeforeYield, 150),
              Effect.timeoutOption("5 seconds")
            )
            assert.deepStrictEqual([ended._tag, messages.join("")], ["Some", "ab"], `${follow}, busy for ${busy}`)
          }
        }
      }).pipe(Effect.provide(layer))
    }))

  it.live("survives a restart of the server", () =>
    Effect.gen(function*() {
      const first = yield* Scope.make()
      const old = yield* scriptedServer((response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(events("ab"))
      }).pipe(Scope.provide(first))
      const messages: Array<string> = []
      let two = () => {}
      const both = new Promise<void>((resolve) => two = resolve)
      const fiber = yield* Stream.runForEach(follow(), ({ message }) =>
        Effect.sync(() => {
          if (messages.push(message) === 2) two()
        })).pipe(against({ baseUrl: old.url }), Effect.forkChild)
      yield* Effect.promise(() => both)
      yield* Scope.close(first, Exit.void)
      yield* scriptedServer((response, { url }, count) => {
        if (count < 3) return bare(response, 502)
        if (!url.includes("/logs")) return json(response, 200, rental("terminated"))
        response.writeHead(200, { "content-type": "text/event-stream" })
        return response.end(events("abc"))
      }, Number(new URL(old.url).port))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(messages, ["a", "b", "c"])
    }))
})
