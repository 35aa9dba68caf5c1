import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Container, ContainerPort, ContainerRuntime, ContainerSpec } from "../../server/ContainerRuntime.ts"
import * as LogFormat from "../../server/LogFormat.ts"
import * as WireTime from "../../server/WireTime.ts"
import type { Program } from "../Program.ts"

/** Containers that are nothing but a plan of what happens when: no fiber runs for them, time alone moves them. */
export interface MemoryRuntime {
  readonly runtime: ContainerRuntime["Service"]
  /** Everything that was ever started, oldest first. */
  readonly creates: Effect.Effect<ReadonlyArray<ContainerSpec>>
  /** What has not ended, oldest first, with what is just being started. */
  readonly running: Effect.Effect<ReadonlyArray<ContainerSpec>>
  /** From now on a start takes no time, also one that is under way. */
  readonly hurry: Effect.Effect<void>
}

/** A documentation address (RFC 5737): nothing listens there. */
const host = "192.0.2.1"

export const make = (program: (spec: ContainerSpec) => Program): MemoryRuntime => {
  const starts: Array<{ readonly spec: ContainerSpec; endsAt: () => number }> = []
  const hurry = Deferred.makeUnsafe<void>()
  let lastHostPort = 32767

  const mapped = (port: ContainerPort): ContainerPort =>
    port.hostPort === 0 ? { ...port, hostPort: ++lastHostPort } : port

  const start = Effect.fnUntraced(function*(spec: ContainerSpec) {
    const does = program(spec)
    const own = { spec, endsAt: () => Number.POSITIVE_INFINITY }
    const id = starts.push(own).toString(16).padStart(64, "0")
    yield* Effect.raceFirst(
      Effect.interruptible(Effect.sleep(does.answersAfter ?? 0)),
      Effect.interruptible(Deferred.await(hurry))
    )

    const plan = makePlan(does, Math.floor(yield* Clock.currentTimeMillis))
    const stopped = yield* Deferred.make<void>()
    let stoppedAt = Number.POSITIVE_INFINITY
    const endsAt = () => Math.min(plan.endsAt, stoppedAt)
    own.endsAt = endsAt

    const container: Container = {
      id,
      ports: spec.ports.map(mapped),
      state: Effect.map(Clock.currentTimeMillis, (now) => {
        if (now >= endsAt()) return plan.fails && stoppedAt > plan.endsAt ? "Failed" : "Stopped"
        return now < plan.runsAt ? "Provisioning" : "Active"
      }),
      stop: Effect.flatMap(Clock.currentTimeMillis, (now) => {
        stoppedAt = Math.min(stoppedAt, now)
        return Effect.asVoid(Deferred.succeed(stopped, undefined))
      }),
      remove: Effect.void,
      logs: Effect.fnUntraced(function*({ follow, tail }) {
        const now = Math.min(yield* Clock.currentTimeMillis, endsAt())
        const next = plan.lines.findIndex((line) => line.at > now)
        const written = next === -1 ? plan.lines : plan.lines.slice(0, next)
        const old = Stream.fromIterable(
          tail === undefined ? written : written.slice(written.length - Math.min(tail, written.length))
        )
        if (!follow) return Stream.map(old, encode)
        const ended = Effect.as(Effect.raceFirst(sleepUntil(plan.endsAt), Deferred.await(stopped)), undefined)
        const coming = Stream.fromIterable([...plan.lines.slice(written.length), undefined]).pipe(
          Stream.mapEffect((line) =>
            line === undefined ? ended : Effect.raceFirst(Effect.as(sleepUntil(line.at), line), Deferred.await(stopped))
          ),
          Stream.takeWhile((line) => line !== undefined)
        )
        return Stream.map(Stream.concat(old, coming), encode)
      })
    }
    return container
  })

  return {
    runtime: { host, start },
    creates: Effect.sync(() => starts.map(({ spec }) => spec)),
    running: Effect.map(
      Clock.currentTimeMillis,
      (now) => starts.filter((one) => now < one.endsAt()).map(({ spec }) => spec)
    ),
    hurry: Effect.asVoid(Deferred.succeed(hurry, undefined))
  }
}

/** When everything happens, in whole milliseconds since 1970. */
interface Plan {
  readonly runsAt: number
  readonly lines: ReadonlyArray<PlannedLine>
  readonly endsAt: number
  readonly fails: boolean
}

interface PlannedLine {
  readonly at: number
  readonly stream: string
  readonly timestamp: string
  readonly message: string
}

const makePlan = (program: Program, startedAt: number): Plan => {
  const runsAt = startedAt + millis(program.startsAfter)
  let at = runsAt
  const lines = (program.lines ?? []).map(({ after, message, stream = "stdout" }, index): PlannedLine => {
    at += millis(after)
    // Lines of one millisecond differ in their nanoseconds, as they do where they are really written.
    const timestamp = WireTime.utc(BigInt(at) * 1_000_000n + BigInt(index % 1_000_000))
    return { at, stream, timestamp, message: LogFormat.message(message) }
  })
  const { exits = false } = program
  const endsAt = exits === false ? Number.POSITIVE_INFINITY : at + millis(program.exitsAfter)
  return { runsAt, lines, endsAt, fails: exits === "failed" }
}

const millis = (duration: Duration.Input = 0): number => Math.round(Duration.toMillis(duration))

const sleepUntil = (at: number): Effect.Effect<void> =>
  at === Number.POSITIVE_INFINITY
    ? Effect.never
    : Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sleep(Math.max(0, at - now)))

const encoder = new TextEncoder()
const encode = ({ message, stream, timestamp }: PlannedLine): Uint8Array =>
  encoder.encode(LogFormat.event(stream, timestamp, message))
