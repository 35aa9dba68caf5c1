/**
 * Reads one log over as many connections as it takes.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidResponse } from "../../errors/InvalidResponse.ts"
import type { LogCursor } from "../../errors/LogCursor.ts"
import type { LogGap } from "../../errors/LogGap.ts"
import { NetworkError } from "../../errors/NetworkError.ts"
import type { NotFound } from "../../errors/NotFound.ts"
import { isFinal } from "../../schema/DeploymentStatus.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import type { CallError, OnRefusal, Transport } from "../Transport.ts"
import { LogPosition } from "./LogPosition.ts"
import { LogReader } from "./LogReader.ts"
import * as Metrics from "./Metrics.ts"
import { notFound, rentalStatus } from "./Rentals.ts"
import { Replay } from "./Replay.ts"
import { type BodyPull, unwatched, type Watched, watched } from "./Watch.ts"

/** What reading a log may fail with, once it has begun. */
export type ReadError = CallError | NotFound | LogGap

/** What to read, and how. */
export interface FollowOptions {
  readonly operation: string
  readonly follow: boolean
  readonly from: LogCursor
  readonly onGap: "fail" | "continue"
  readonly maxReconnects: number
}

type Batch = Arr.NonEmptyReadonlyArray<LogEntry>

/** How a connection ended. */
type Ending =
  /** The body ended as it should. */
  | "end"
  /** The place was not found by counting. */
  | "distrust"
  /** The deployment is over. */
  | "over"
  /** The deployment is gone. */
  | "gone"
  /** It broke, or seems to have, or brought what cannot be. */
  | CallError
  | LogGap

interface Connection {
  readonly scope: Scope.Closeable
  readonly reader: LogReader
  readonly body: Watched
  /** When it was opened, in milliseconds, by this machine. */
  readonly openedAt: number
  /** Whether it waits for lines to come. */
  readonly follow: boolean
  /** Whether it brought a new line. */
  fruitful: boolean
}

/** The service cuts after 15 minutes: a connection that is older was cut, though nobody told. */
const oldAge = 16 * 60_000
/** A connection that was held for so long was not to no avail, even if nothing was written. */
const held = 60_000
/** How long a connection for the last lines takes at most until it brings one, if there is one. */
const tailPatience = 10_000
/** How often the rest of a log is asked for, when the deployment is over. */
const maxDrains = 5
/** The service notices within 40 seconds that a container has ended: it looks every 30, for at most 10. */
const endPoll = Schedule.exponential("250 millis").pipe(Schedule.upTo({ duration: "45 seconds" }))

/** Reads a log. The scope is that of the stream: the connection closes with it. */
export const follower = Effect.fnUntraced(function*(
  transport: Transport["Service"],
  scope: Scope.Scope,
  { follow, from, maxReconnects, onGap, operation }: FollowOptions
) {
  const clock = yield* Clock.Clock
  const { id } = from
  const position = new LogPosition(from)

  let connection: Connection | undefined
  /** What the next pull deals with first: the lines before it were handed out. */
  let ending: Ending | undefined
  /** Whether a connection was ever opened: what is gone now was there. */
  let opened = false
  /** Whether the deployment is over: the rest of its log is read, and nothing waited for. */
  let over = false
  let drains = 0
  /** How often in a row a connection was to no avail. */
  let attempts = 0
  let retryMillis: number | undefined
  /** Whether the last connection broke, so that lines may have been written that it did not bring. */
  let cut = false

  const broken = (reason: string) => new NetworkError({ operation, phase: "body", reason, outcome: "none" })

  /** Where lines were read, the error says up to where, so that another reading can go on from there. */
  const fail = (error: ReadError): Effect.Effect<never, ReadError> =>
    // The error was made for this call alone, and nobody has seen it yet.
    Effect.fail(error._tag === "LogGap" ? error : Object.assign(error, { cursor: position.cursor }))

  /** The log, or `undefined` where the service says that there is none any more. */
  const open = Effect.fnUntraced(function*(own: Scope.Scope, query: { follow: boolean; tail?: number | undefined }) {
    const reply = yield* transport.open({
      operation,
      method: "GET",
      path: ["rentals", id, "logs"],
      query,
      scope: "rentals:logs",
      onRefusal: refused(id)
    }).pipe(
      Scope.provide(own),
      Effect.catchTag("NoContent", () => Effect.undefined)
    )
    if (reply === undefined || /^text\/event-stream\s*(;|$)/i.test(reply.contentType)) return reply
    const reason = `the log is of type "${reply.contentType.slice(0, 100)}", not text/event-stream`
    return yield* Effect.fail(new InvalidResponse({ operation, reason, status: reply.status, outcome: "none" }))
  })

  /** `false` where there is nothing more to read. */
  const connect = Effect.fnUntraced(function*() {
    const own = yield* Scope.fork(scope)
    const waits = follow && !over
    const { tail } = position
    const reply = yield* Effect.onError(open(own, { follow: waits, tail }), () => Scope.close(own, Exit.void))
    opened = true
    if (reply === undefined) {
      yield* Scope.close(own, Exit.void)
      return false
    }
    const openedAt = clock.currentTimeMillisUnsafe()
    const connectedAt = reply.date ?? openedAt
    // Nothing that is there is wanted, so this moment is the only place there is.
    if (tail === 0) position.since ??= new Date(connectedAt).toISOString()
    const reader = new LogReader({
      operation,
      position,
      replay: new Replay(position, tail === undefined, connectedAt),
      onGap,
      showable: reply.showable
    })
    const pull: BodyPull = yield* Scope.provide(Stream.toPull(reply.body), own)
    const body = waits ? yield* watched(pull, own) : unwatched(pull)
    connection = { scope: own, reader, body, openedAt, follow: waits, fruitful: false }
    return true
  })

  const begin: Effect.Effect<boolean, ReadError> = Effect.suspend(() =>
    Effect.matchEffect(connect(), {
      onSuccess: (there) => there ? Effect.succeed(true) : gone,
      onFailure: (error): Effect.Effect<boolean, ReadError> => {
        if (error._tag === "NotFound") return opened ? gone : fail(error)
        return opened && error.retryable ? again(error) : fail(error)
      }
    })
  )

  /** There is no log any more: the deployment was stopped. What it wrote behind a cut cannot be read. */
  const gone = Effect.suspend(() =>
    Effect.as(
      cut ? Effect.logWarning(`${operation}: deployment ${id} is gone, and its log was cut before`) : Effect.void,
      false
    )
  )

  /** Waits until it is time for another connection. */
  const again = Effect.fnUntraced(function*(error: CallError) {
    if (attempts >= maxReconnects || (over && ++drains > maxDrains)) return yield* fail(error)
    const asked = "retryAfterMillis" in error ? Math.min(error.retryAfterMillis ?? 0, 60_000) : 0
    const jittered = (yield* Random.next) * Math.min(30_000, (retryMillis ?? 500) * 2 ** attempts)
    attempts++
    yield* Effect.sleep(Duration.millis(Math.max(jittered, retryMillis ?? 0, asked)))
    yield* Metrics.countLogReconnect
    return true
  })

  /** The deployment is over: what was written after the last cut is still to be read. */
  const drain = Effect.sync(() => over = true)

  /** Deals with the end of a connection. `false` where there is nothing more to read. */
  const settle = Effect.fnUntraced(function*(current: Connection, how: Ending) {
    ending = undefined
    connection = undefined
    cut = how !== "end"
    yield* Scope.close(current.scope, Exit.void)
    const lived = clock.currentTimeMillisUnsafe() - current.openedAt
    if (current.follow && lived >= held) attempts = 0
    // The last lines were asked for, and there were none: all that comes now is new.
    if (position.tail === 0 || lived >= tailPatience) position.tail = undefined
    switch (how) {
      case "distrust":
        return true
      case "over":
        return yield* drain
      case "gone":
        return yield* gone
      case "end":
        return yield* current.follow ? afterEnd(current.fruitful) : afterAll(current.reader)
      default:
        return yield* how._tag === "LogGap" || !follow || !how.retryable ? fail(how) : again(how)
    }
  })

  const look = rentalStatus(transport, operation, id).pipe(
    Effect.map((status) => isFinal(status) ? "over" as const : "running" as const),
    Effect.catchTag("NotFound", () => Effect.succeed("gone" as const))
  )

  /** A followed body that ended does not say why: only the status tells a finished deployment from a cut. */
  const afterEnd = Effect.fnUntraced(function*(fruitful: boolean) {
    // Where nothing new came, it has probably ended, and the service did not notice yet.
    const seen = yield* Effect.result(
      fruitful && maxReconnects > 0
        ? look
        : Effect.repeat(look, { schedule: endPoll, until: (status) => status !== "running" })
    )
    if (Result.isFailure(seen)) return yield* seen.failure.retryable ? again(seen.failure) : fail(seen.failure)
    if (seen.success === "gone") return false
    if (seen.success === "over") return yield* drain
    cut = true
    return yield* again(broken("the service closed the log while the deployment still runs"))
  })

  /** A body that was not followed ended: the log was read to its end, if that is behind the place where it began. */
  const afterAll = Effect.fnUntraced(function*(reader: LogReader) {
    const gap = reader.end()
    if (gap !== undefined && onGap === "fail") return yield* fail(gap)
    yield* report(reader)
    return false
  })

  /** Warns of the gaps that were passed. */
  const report = Effect.fnUntraced(function*(reader: LogReader) {
    const { gaps } = reader
    reader.gaps = []
    for (const gap of gaps) {
      yield* Metrics.countLogGap
      yield* Effect.logWarning(`${operation}: ${gap.missing}`)
    }
  })

  /** Nothing came for a while: either nothing was written, or the connection is dead and does not show it. */
  const lookIntoSilence = Effect.fnUntraced(function*(current: Connection) {
    if (clock.currentTimeMillisUnsafe() - current.openedAt >= oldAge) {
      return broken("the connection was silent too long")
    }
    const seen = yield* Effect.result(look)
    if (Result.isFailure(seen)) return seen.failure
    if (seen.success !== "running") return seen.success
    return (yield* missesLines) ? broken("the connection is silent, though the log goes on") : undefined
  })

  /** Whether the last line of the log is none that was read. Where that cannot be told, it is taken for read. */
  const missesLines = Effect.scoped(Effect.gen(function*() {
    const reply = yield* open(yield* Effect.scope, { follow: false, tail: 1 })
    if (reply === undefined) return false
    const connectedAt = reply.date ?? clock.currentTimeMillisUnsafe()
    const own = new LogPosition({ version: 1, id, streams: [] })
    const reader = new LogReader({
      operation,
      position: own,
      replay: new Replay(own, false, connectedAt),
      onGap,
      showable: reply.showable
    })
    let misses = false
    yield* Stream.runForEachArray(Stream.take(reply.body, 100), (chunks) =>
      Effect.sync(() => {
        misses ||= reader.read(chunks).some((line) => !position.has(line, connectedAt))
      }))
    return misses
  })).pipe(
    Effect.timeout("30 seconds"),
    Effect.orElseSucceed(() => false)
  )

  const next: Pull.Pull<Batch, ReadError> = Effect.suspend(() => {
    if (connection === undefined) return goOn(begin)
    return ending === undefined ? read(connection) : goOn(settle(connection, ending))
  })

  const goOn = (step: Effect.Effect<boolean, ReadError>): Pull.Pull<Batch, ReadError> =>
    Effect.flatMap(step, (more): Pull.Pull<Batch, ReadError> => more ? next : Cause.done())

  const read = (current: Connection): Pull.Pull<Batch, ReadError> =>
    Effect.matchEffect(current.body.next, {
      onFailure: (error) => goOn(settle(current, error)),
      onSuccess: (bytes): Pull.Pull<Batch, ReadError> => {
        if (bytes === "end") {
          return goOn(settle(current, current.reader.unfinished ? broken("the log ended inside a line") : "end"))
        }
        if (bytes === "slept") return goOn(settle(current, broken("this machine slept")))
        if (bytes === "silent") {
          return Effect.flatMap(
            lookIntoSilence(current),
            (how) => how === undefined ? next : goOn(settle(current, how))
          )
        }
        return hand(current, current.reader.read(bytes))
      }
    })

  const hand = (current: Connection, entries: ReadonlyArray<LogEntry>): Pull.Pull<Batch, ReadError> => {
    const { reader } = current
    ending = reader.stop
    if (reader.retryMillis !== undefined) retryMillis = Math.min(Math.max(reader.retryMillis, 100), 60_000)
    if (reader.gaps.length > 0) return Effect.andThen(report(reader), Effect.suspend(() => hand(current, entries)))
    if (!Arr.isReadonlyArrayNonEmpty(entries)) return next
    current.fruitful = true
    attempts = 0
    return Effect.as(Metrics.countLogLines(entries.length), entries)
  }

  return next
})

/** 204 says that there is nothing to come back for (WHATWG 9.2.3). */
const refused = (id: string): OnRefusal<never, NotFound | NoContent> => {
  const orNotFound = notFound(id)
  return (refusal) => refusal.status === 204 ? Result.fail({ _tag: "NoContent" }) : orNotFound(refusal)
}

interface NoContent {
  readonly _tag: "NoContent"
}
