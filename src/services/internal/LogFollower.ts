/**
 * Reads one log over as many connections as it takes.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ApiError } from "../../errors/ApiError.ts"
import { inSeconds } from "../../errors/inSeconds.ts"
import { InvalidResponse } from "../../errors/InvalidResponse.ts"
import type { LogCursor } from "../../errors/LogCursor.ts"
import type { LogGap } from "../../errors/LogGap.ts"
import { NetworkError } from "../../errors/NetworkError.ts"
import type { NotFound } from "../../errors/NotFound.ts"
import { isFinal } from "../../schema/DeploymentStatus.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import { oneLine } from "../../schema/oneLine.ts"
import type { Chunks } from "../ChunkSource.ts"
import type { CallError, OnRefusal, OpenReply, Transport } from "../Transport.ts"
import { askedToWait } from "./Failure.ts"
import { LogPosition } from "./LogPosition.ts"
import { LogReader } from "./LogReader.ts"
import * as Metrics from "./Metrics.ts"
import { PulledSource } from "./PulledSource.ts"
import { notFound, provenStatus, rentalStatus, statusAfter404 } from "./Rentals.ts"
import { Replay } from "./Replay.ts"
import { summary } from "./summary.ts"
import { elapsedMillis, type Watch, type Watched } from "./Watch.ts"

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

/** The next bytes, or what was noticed instead of them. */
type Bytes = Chunks | "end" | "silent" | "slept"

/** How a connection ended. */
type Ending =
  /** The body ended as it should. */
  | "end"
  /** The place was not found by counting. */
  | "distrust"
  /** The deployment is over, and nothing comes though the connection is open. */
  | "over"
  /** The deployment is gone. */
  | "gone"
  /** It broke, or seems to have, or brought what cannot be. */
  | CallError
  | LogGap

interface Connection {
  readonly scope: Scope.Closeable
  readonly reader: LogReader
  /** Reads on. Made once, not for each line. */
  readonly read: Pull.Pull<Batch, ReadError>
  readonly bytes: Watched
  /** When it was opened, by {@link elapsedMillis}. */
  readonly openedAt: number
  /** Whether it waits for lines to come. */
  readonly follow: boolean
  /** Whether the deployment was over when it was opened: its end is that of the log. */
  readonly last: boolean
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
export const follower = (
  transport: Transport["Service"],
  watch: Watch,
  scope: Scope.Scope,
  options: FollowOptions
): Effect.Effect<Pull.Pull<Batch, ReadError>> =>
  Effect.map(Clock.Clock, (clock) => new LogFollower(transport, watch, scope, options, clock).next)

/** A class, since thousands of logs may be followed at once: what it holds while it waits is these fields. */
class LogFollower {
  readonly #transport: Transport["Service"]
  readonly #watch: Watch
  readonly #scope: Scope.Scope
  readonly #options: FollowOptions
  readonly #clock: Clock.Clock
  readonly #position: LogPosition
  #connection: Connection | undefined
  /** What the next pull deals with first: the lines before it were handed out. */
  #ending: Ending | undefined
  /** Whether a connection was ever opened: what is gone now was there. */
  #opened = false
  /** Whether the deployment is over, or is stopping: the rest of its log is read. */
  #over = false
  /** Whether the end of that was waited for in vain: what is there is read, and nothing waited for. */
  #waited = false
  #drains = 0
  /** How often in a row a connection was to no avail, and since when. */
  #attempts = 0
  #troubledAt = 0
  /** How often in a row a place was not found by counting. */
  #distrusts = 0
  /** Whether it was said that the status cannot be looked at. */
  #warned = false
  #retryMillis: number | undefined
  /** Whether the last connection broke, so that lines may have been written that it did not bring. */
  #cut = false

  constructor(
    transport: Transport["Service"],
    watch: Watch,
    scope: Scope.Scope,
    options: FollowOptions,
    clock: Clock.Clock
  ) {
    this.#transport = transport
    this.#watch = watch
    this.#scope = scope
    this.#options = options
    this.#clock = clock
    this.#position = new LogPosition(options.from)
  }

  /** The next lines. */
  readonly next: Pull.Pull<Batch, ReadError> = Effect.suspend(() => {
    const connection = this.#connection
    if (connection === undefined) return this.#goOn(this.#begin())
    return this.#ending === undefined ? connection.read : this.#end(connection, this.#ending)
  })

  /** Goes on after a step that says whether there is more to read. */
  #goOn(step: Effect.Effect<boolean, ReadError>): Pull.Pull<Batch, ReadError> {
    return Effect.flatMap(step, (more): Pull.Pull<Batch, ReadError> => more ? this.next : Cause.done())
  }

  /** Goes on with the next bytes, or with what was noticed instead of them. */
  #take(connection: Connection, bytes: Bytes): Pull.Pull<Batch, ReadError> {
    if (bytes === "end") {
      return this.#end(connection, connection.reader.finish() ? this.#broken("the log ended inside a line") : "end")
    }
    if (bytes !== "silent" && bytes !== "slept") return this.#hand(connection, connection.reader.read(bytes))
    if (!connection.follow) {
      // What was there before the machine slept may still come.
      return bytes === "slept" ? this.next : this.#end(connection, this.#broken("nothing came for a minute"))
    }
    if (bytes === "slept") return this.#end(connection, this.#broken("this machine slept"))
    if (this.#over) return this.#end(connection, "over")
    // The status may take long to be told: lines that come meanwhile do not wait for it.
    return Effect.flatMap(
      Effect.raceFirst(this.#lookIntoSilence(connection), Effect.as(connection.bytes.ready, undefined)),
      (how) => how === undefined ? this.next : this.#end(connection, how)
    )
  }

  #end(connection: Connection, how: Ending): Pull.Pull<Batch, ReadError> {
    return this.#goOn(this.#settle(connection, how))
  }

  #hand(connection: Connection, entries: ReadonlyArray<LogEntry>): Pull.Pull<Batch, ReadError> {
    const { reader } = connection
    this.#ending = reader.stop
    if (reader.gaps.length > 0) {
      return Effect.andThen(this.#report(reader), Effect.suspend(() => this.#hand(connection, entries)))
    }
    if (!Arr.isReadonlyArrayNonEmpty(entries)) return this.next
    connection.fruitful = true
    // What may be nothing but words of the way to the container is no progress.
    if (entries.some(({ stream }) => this.#position.places.get(stream)?.unsure === false)) this.#attempts = 0
    this.#distrusts = 0
    return Metrics.countLogLines(entries)
  }

  /** Connects. `false` where there is nothing more to read. */
  #begin(): Effect.Effect<boolean, ReadError> {
    return Effect.matchEffect(this.#connect(), {
      onSuccess: (there) => there ? Effect.succeed(true) : this.#gone,
      onFailure: (error): Effect.Effect<boolean, ReadError> => {
        if (error._tag === "NotFound") return this.#opened ? this.#afterNotFound : this.#fail(error)
        return this.#opened && error.retryable ? this.#again(error) : this.#fail(error)
      }
    })
  }

  /** `false` where the service says that there is no log any more. */
  #connect(): Effect.Effect<boolean, CallError | NotFound> {
    return Effect.gen({ self: this }, function*() {
      const position = this.#position
      const own = yield* Scope.fork(this.#scope)
      const follow = this.#options.follow && !this.#waited
      const { tail } = position
      const reply = yield* Effect.onError(this.#open(own, { follow, tail }), () => Scope.close(own, Exit.void))
      this.#opened = true
      if (reply === undefined) return false
      const connectedAt = this.#timeOf(reply)
      // Nothing that is there is wanted, so this moment is the only place there is: by the service's time, or else by that
      // of its last line. The clock here may be another.
      if (tail === 0 && position.since === undefined) {
        position.since = reply.date === undefined
          ? (yield* this.#readLast(() => true))?.timestamp
          : new Date(reply.date).toISOString()
      }
      const reader = this.#reader(reply, position, tail === undefined, connectedAt)
      const bytes = yield* this.#bytes(reply, own)
      const connection: Connection = {
        scope: own,
        reader,
        read: Effect.matchEffect(bytes.next, {
          onFailure: (error) => this.#end(connection, error),
          onSuccess: (bytes) => this.#take(connection, bytes)
        }),
        bytes,
        openedAt: elapsedMillis(this.#clock),
        follow,
        last: this.#over,
        fruitful: false
      }
      this.#connection = connection
      return true
    })
  }

  /** The log, or `undefined` where the service says that there is none any more. */
  #open(
    own: Scope.Scope,
    query: { readonly follow: boolean; readonly tail?: number | undefined }
  ): Effect.Effect<OpenReply | undefined, CallError | NotFound> {
    const { from: { id }, operation } = this.#options
    return this.#transport.open({
      operation,
      method: "GET",
      path: ["rentals", id, "logs"],
      query,
      scope: "rentals:logs",
      onRefusal: refused(id)
    }).pipe(
      Scope.provide(own),
      Effect.catchTag("NoContent", () => Effect.undefined),
      Effect.flatMap((reply) => {
        if (reply === undefined || /^text\/event-stream\s*(;|$)/i.test(reply.contentType)) return Effect.succeed(reply)
        const reason = `the log is of type "${reply.contentType.slice(0, 100)}", not text/event-stream`
        return Effect.fail(new InvalidResponse({ operation, reason, status: reply.status, outcome: "none" }))
      })
    )
  }

  /** When the service answered. */
  #timeOf(reply: OpenReply): number {
    return reply.date ?? this.#clock.currentTimeMillisUnsafe()
  }

  #bytes(reply: OpenReply, own: Scope.Scope): Effect.Effect<Watched> {
    const source = reply.chunks === undefined
      ? Effect.flatMap(Channel.toPullScoped(reply.body.channel, own), (pull) => PulledSource.make(pull, own))
      : Effect.succeed(reply.chunks)
    return Effect.flatMap(source, (chunks) => this.#watch.over(chunks, this.#clock, own))
  }

  #reader(reply: OpenReply, position: LogPosition, whole: boolean, connectedAt: number): LogReader {
    return new LogReader({
      operation: this.#options.operation,
      position,
      replay: new Replay(position, whole, connectedAt),
      onGap: this.#options.onGap,
      showable: reply.showable
    })
  }

  /** Deals with the end of a connection. `false` where there is nothing more to read. */
  #settle(connection: Connection, how: Ending): Effect.Effect<boolean, ReadError> {
    return Effect.gen({ self: this }, function*() {
      const { follow, fruitful, last, openedAt, reader, scope } = connection
      this.#ending = undefined
      this.#connection = undefined
      this.#cut = how !== "end"
      reader.finish()
      if (reader.retryMillis !== undefined) this.#retryMillis = Math.min(Math.max(reader.retryMillis, 100), 60_000)
      yield* Scope.close(scope, Exit.void)
      const lived = elapsedMillis(this.#clock) - openedAt
      // A cut while lines were counted says nothing of their number.
      if (how === "end" || how === "distrust" || lived >= held) reader.finishReplay()
      if (follow && lived >= held) this.#attempts = 0
      // The last lines were asked for, and there were none: all that comes now is new.
      if (this.#position.tail === 0 || lived >= tailPatience) this.#position.tail = undefined
      switch (how) {
        case "distrust":
          // Each stream may be counted in vain once; more than that is no log that changed a little.
          if (this.#distrusts++ < this.#position.places.size) return true
          return yield* this.#afterFailure(this.#broken("the log begins with other lines on each connection"))
        case "over":
          this.#waited = last
          return this.#drain()
        case "gone":
          return yield* this.#gone
        case "end":
          return yield* follow && !last ? this.#afterEnd(fruitful) : this.#afterAll(reader)
        default:
          return yield* this.#afterFailure(how)
      }
    })
  }

  #afterFailure(error: CallError | LogGap): Effect.Effect<boolean, ReadError> {
    return error._tag === "LogGap" || !this.#options.follow || !error.retryable ? this.#fail(error) : this.#again(error)
  }

  /**
   * The deployment is over: what was written after the last cut is still to be read. It is followed, since a deployment
   * that is stopping is over too: then its last lines are still to be written. Where it has ended, that ends at once.
   */
  #drain(): boolean {
    return this.#over = true
  }

  /** The log was there, and is not found now: that alone does not say that it is over. */
  get #afterNotFound(): Effect.Effect<boolean, ReadError> {
    const { from: { id }, operation } = this.#options
    return Effect.matchEffect(statusAfter404(this.#transport, operation, id), {
      onFailure: (error) => error.retryable ? this.#again(error) : this.#fail(error),
      onSuccess: (listed) => {
        if (listed === undefined) return this.#gone
        this.#over ||= isFinal(listed)
        const reason = "the log is not found, though the deployment is listed"
        return this.#again(new ApiError({ operation, status: 404, reason, retryable: true, outcome: "none" }))
      }
    })
  }

  /** There is no log any more: the deployment was stopped. What it wrote behind a cut cannot be read. */
  get #gone(): Effect.Effect<boolean> {
    const { from: { id }, operation } = this.#options
    return Effect.as(
      this.#cut
        ? Effect.logWarning(`${operation}: deployment ${id} is gone, and its log was cut before`)
        : Effect.void,
      false
    )
  }

  /** Where lines were read, the error says up to where, so that another reading can go on from there. */
  #fail(error: ReadError): Effect.Effect<never, ReadError> {
    // The error was made for this call alone, and nobody has seen it yet.
    return Effect.fail(
      error._tag === "LogGap" ? showable(error) : Object.assign(error, { cursor: this.#position.cursor })
    )
  }

  #broken(reason: string): NetworkError {
    return new NetworkError({ operation: this.#options.operation, phase: "body", reason, outcome: "none" })
  }

  /** Waits until it is time for another connection. */
  #again(error: CallError): Effect.Effect<boolean, ReadError> {
    return Effect.gen({ self: this }, function*() {
      const { from: { id }, maxReconnects, operation } = this.#options
      const now = elapsedMillis(this.#clock)
      if (this.#attempts === 0) this.#troubledAt = now
      if (this.#attempts >= maxReconnects || (this.#over && ++this.#drains > maxDrains)) {
        if (this.#attempts === 0) return yield* this.#fail(error)
        const tries = `after ${this.#attempts} new connections in ${inSeconds(now - this.#troubledAt)}`
        yield* Effect.logWarning(`${operation}: gives up the log of ${id} ${tries}: ${summary(error)}`)
        return yield* this.#fail(withTries(error, ` (${tries})`))
      }
      const base = this.#retryMillis ?? 500
      const jittered = (yield* Random.next) * Math.min(30_000, base * 2 ** this.#attempts)
      const wait = Math.max(jittered, this.#retryMillis ?? 0, askedToWait(error))
      const said = `${operation}: connects to the log of ${id} again in ${inSeconds(wait)}, ` +
        `number ${++this.#attempts} in a row: ${summary(error)}`
      // The first one in a row follows each of the service's own cuts: nothing to be warned of.
      yield* this.#attempts % 5 === 2 ? Effect.logWarning(said) : Effect.logDebug(said)
      yield* Effect.sleep(wait)
      yield* Metrics.countLogReconnect
      return true
    })
  }

  /** What is known of the deployment. The list is asked where a 404 is to be proved, or the status is not allowed (403). */
  get #look(): Effect.Effect<"over" | "running" | "gone", CallError> {
    const { from: { id }, operation } = this.#options
    return rentalStatus(this.#transport, operation, id).pipe(
      Effect.catchTags({
        NotFound: () => statusAfter404(this.#transport, operation, id),
        AuthorizationError: (error) => Effect.mapError(provenStatus(this.#transport, operation, id), () => error)
      }),
      Effect.map((status) => status === undefined ? "gone" : isFinal(status) ? "over" : "running")
    )
  }

  /** A followed body that ended does not say why: only the status tells a finished deployment from a cut. */
  #afterEnd(fruitful: boolean): Effect.Effect<boolean, ReadError> {
    return Effect.gen({ self: this }, function*() {
      // Where nothing new came, it has probably ended, and the service did not notice yet.
      const seen = yield* Effect.result(
        fruitful && this.#options.maxReconnects > 0
          ? this.#look
          : Effect.repeat(this.#look, { schedule: endPoll, until: (status) => status !== "running" })
      )
      if (Result.isFailure(seen)) {
        return yield* seen.failure.retryable ? this.#again(seen.failure) : this.#fail(seen.failure)
      }
      if (seen.success === "gone") return false
      if (seen.success === "over") return this.#drain()
      this.#cut = true
      return yield* this.#again(this.#broken("the service closed the log while the deployment still runs"))
    })
  }

  /** A body that was not followed ended: the log was read to its end, if that is behind the place where it began. */
  #afterAll(reader: LogReader): Effect.Effect<boolean, ReadError> {
    const { heldBack } = reader
    const gap = reader.end()
    return gap !== undefined && this.#options.onGap === "fail"
      ? this.#fail(gap)
      // Behind the gap that is passed now, what was held back is read.
      : Effect.as(this.#report(reader), gap !== undefined && heldBack)
  }

  /** Warns of the gaps that were passed. */
  #report(reader: LogReader): Effect.Effect<void> {
    const { gaps } = reader
    reader.gaps = []
    return Effect.forEach(gaps, (gap) =>
      Effect.andThen(
        Metrics.countLogGap,
        Effect.logWarning(`${this.#options.operation}: ${showable(gap).missing}`)
      ), { discard: true })
  }

  /** Nothing came for a while: either nothing was written, or the connection is dead and does not show it. */
  #lookIntoSilence(connection: Connection): Effect.Effect<Ending | undefined> {
    return Effect.gen({ self: this }, function*() {
      if (elapsedMillis(this.#clock) - connection.openedAt >= oldAge) {
        return this.#broken("the connection was silent too long")
      }
      const seen = yield* Effect.result(this.#look)
      if (Result.isFailure(seen)) {
        // It says nothing of this connection, which may be fine.
        if (seen.failure.retryable) return undefined
        yield* this.#warnOfLook(seen.failure)
      } else if (seen.success === "gone") {
        return "gone"
      } else if (seen.success === "over") {
        // It may still be stopping, and write its last lines. What is open is read on, for another minute of silence.
        this.#over = true
      }
      if (!(yield* this.#missesLines)) return undefined
      return this.#over ? "over" : this.#broken("the connection is silent, though the log goes on")
    })
  }

  #warnOfLook(error: CallError): Effect.Effect<void> {
    if (this.#warned) return Effect.void
    this.#warned = true
    return Effect.logWarning(
      `${this.#options.operation}: the status of ${this.#options.from.id} cannot be looked at: ${summary(error)}`
    )
  }

  /** Whether the last line of the log is none that was read. Where that cannot be told, it is taken for read. */
  get #missesLines(): Effect.Effect<boolean> {
    return Effect.map(
      this.#readLast((line, connectedAt) => !this.#position.has(line, connectedAt)),
      (line) => line !== undefined
    )
  }

  /** The first such line of the last ones of the log; `undefined` also where they cannot be read. */
  #readLast(is: (line: LogEntry, connectedAt: number) => boolean): Effect.Effect<LogEntry | undefined> {
    let found: LogEntry | undefined
    return Effect.scoped(Effect.gen({ self: this }, function*() {
      const reply = yield* this.#open(yield* Effect.scope, { follow: false, tail: 1 })
      if (reply === undefined) return
      const connectedAt = this.#timeOf(reply)
      const own = new LogPosition({ version: 1, id: this.#position.id, streams: [] })
      const reader = this.#reader(reply, own, false, connectedAt)
      yield* Stream.take(reply.body, 100).pipe(
        Stream.map((bytes) => reader.read([bytes])),
        Stream.takeUntil((lines) => (found = lines.find((line) => is(line, connectedAt))) !== undefined),
        Stream.runDrain
      )
    })).pipe(
      Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.void }),
      Effect.ignore,
      Effect.map(() => found)
    )
  }
}

/** The error with how long it was tried, where it has words to put that to. */
const withTries = (error: CallError, tries: string): CallError => {
  if (error._tag === "NetworkError") return new NetworkError({ ...error, reason: error.reason + tries })
  return error._tag === "ApiError" && error.reason !== ""
    ? new ApiError({ ...error, reason: error.reason + tries })
    : error
}

/** The gap with what strangers wrote fit to be printed. It was made for this reader alone, and nobody has seen it yet. */
const showable = (gap: LogGap): LogGap =>
  Object.assign(gap, {
    stream: oneLine(gap.stream, 128),
    after: oneLine(gap.after, 128),
    ...(gap.before === undefined ? {} : { before: oneLine(gap.before, 128) })
  })

/** 204 says that there is nothing to come back for (WHATWG 9.2.3). Another 2xx is no log, and may hold lines of one. */
const refused = (id: string): OnRefusal<never, NotFound | ApiError | InvalidResponse | NoContent> => {
  const orNotFound = notFound(id)
  return (refusal) => {
    const { operation, requestId, status } = refusal
    if (status === 204) return Result.fail({ _tag: "NoContent" })
    if (status < 200 || status > 299) return orNotFound(refusal)
    const reason = "a log comes with the status 200"
    return Result.fail(new InvalidResponse({ operation, reason, status, outcome: "none", requestId }))
  }
}

interface NoContent {
  readonly _tag: "NoContent"
}
