import { Clock, Effect, Metric } from "effect"

/** What an effect has begun and not ended. */
export interface Left {
  readonly fibers: number
  readonly timers: number
}

/** Runs an effect, and says what of it still goes on a while after its end. */
export const leaving = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, Left], E, R> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const left = { fibers: 0, timers: 0 }
    const counted: Clock.Clock = {
      currentTimeMillis: clock.currentTimeMillis,
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
      currentTimeNanos: clock.currentTimeNanos,
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      sleep: (duration) =>
        Effect.suspend(() => {
          left.timers++
          return Effect.ensuring(clock.sleep(duration), Effect.sync(() => left.timers--))
        })
    }
    const value = yield* effect.pipe(
      Effect.provideService(Clock.Clock, counted),
      Effect.provideService(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => void left.fibers++,
        recordFiberEnd: () => void left.fibers--
      })
    )
    yield* Effect.repeat(Effect.delay(Effect.sync(() => left.fibers + left.timers), "2 millis"), {
      until: (count) => count === 0,
      times: 500
    })
    return [value, left] as const
  })
