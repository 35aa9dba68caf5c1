/**
 * Time and memory as this process itself used them, for marks that are the same on a machine that does much else.
 */
import { Clock, Duration, Effect, type Scope } from "effect"
import process from "node:process"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** What a turn of the event loop counts at most, in milliseconds. */
const turn = 5

/**
 * A clock on which a turn of the event loop lasts 5 ms at most, however long the machine let the process wait for it. What
 * takes a few turns takes as long on a machine that is busy, as far as this clock is concerned. `speed`: how much faster
 * than true time it goes, for what only waits.
 */
const machineClock = (speed = 1): Effect.Effect<Clock.Clock, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(() => new MachineClock(speed)), (clock) => Effect.sync(() => clock.stop())),
    (clock) => clock
  )

interface Sleeper {
  readonly due: number
  readonly wake: () => void
}

class MachineClock implements Clock.Clock {
  #now = 0
  #last = performance.now()
  readonly #start = Date.now()
  readonly #sleepers = new Set<Sleeper>()
  readonly #ticking: NodeJS.Timeout

  constructor(speed: number) {
    this.#ticking = setInterval(() => {
      const at = performance.now()
      this.#now += Math.min(at - this.#last, turn) * speed
      this.#last = at
      for (const sleeper of this.#sleepers) {
        if (sleeper.due > this.#now) continue
        this.#sleepers.delete(sleeper)
        sleeper.wake()
      }
    }, 1)
  }

  stop(): void {
    clearInterval(this.#ticking)
  }

  monotonicTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.#now * 1_000_000))
  }
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())
  currentTimeMillisUnsafe(): number {
    return this.#start + this.#now
  }
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.#start) * 1_000_000n + this.monotonicTimeNanosUnsafe()
  }
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (millis <= 0) return Effect.yieldNow
    if (!Number.isFinite(millis)) return Effect.never
    return Effect.callback((resume) => {
      const sleeper = { due: this.#now + millis, wake: () => resume(Effect.void) }
      this.#sleepers.add(sleeper)
      return Effect.sync(() => this.#sleepers.delete(sleeper))
    })
  }
}

/** Runs an effect on such a clock, with all that it starts. */
export const onMachineTime = <A, E, R>(effect: Effect.Effect<A, E, R>, speed = 1): Effect.Effect<A, E, R> =>
  Effect.scoped(Effect.flatMap(
    machineClock(speed),
    (clock) => Effect.provideService(effect, Clock.Clock, clock)
  )) as Effect.Effect<A, E, R>

/** How long an effect takes on such a clock, in milliseconds, while it itself goes by its own. */
export const timed = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [millis: number, value: A], E, R> =>
  Effect.scoped(Effect.gen(function*() {
    const clock = yield* machineClock()
    const start = clock.currentTimeMillisUnsafe()
    const value = yield* effect
    return [clock.currentTimeMillisUnsafe() - start, value] as const
  })) as Effect.Effect<readonly [number, A], E, R>

const processorMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

/** What of the processor some work takes, in milliseconds. */
export const worked = (work: () => void): number => {
  const start = processorMillis()
  work()
  return processorMillis() - start
}

/** The same for an effect. */
export const workedIn = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [millis: number, value: A], E, R> =>
  Effect.suspend(() => {
    const start = processorMillis()
    return Effect.map(effect, (value) => [processorMillis() - start, value] as const)
  })

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

/** Collects all garbage. Twice: the buffers that one finds without an owner are given back by the next. */
export const collect = (): void => {
  gc()
  gc()
}
