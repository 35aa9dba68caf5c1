import { assert, describe, it } from "@effect/vitest"
import { Health } from "basilica-sdk"
import { FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import { Clock, Duration, Effect, Exit, Fiber, Layer, Logger, Metric, Random } from "effect"
import { TestClock } from "effect/testing"
import { replay, seed, size } from "../support/Scale.ts"

const dead = { after: "body", reply: { status: 503 } } as const
const check = Health.use((health) => health.check)

/** Calls one at a time, so many in a minute, and gives how each ended and when. */
const calls = (perMinute: number, minutes: number, began: () => void = () => {}) =>
  Effect.forEach(Array.from({ length: perMinute * minutes }), () =>
    Effect.gen(function*() {
      began()
      const fiber = yield* Effect.forkChild(
        Effect.exit(check).pipe(Effect.flatMap((exit) => Effect.map(Clock.currentTimeMillis, (at) => ({ exit, at })))),
        { startImmediately: true }
      )
      yield* Effect.sleep(Duration.millis(60_000 / perMinute))
      return fiber
    })).pipe(Effect.flatMap(Fiber.joinAll))

/** Lets virtual time pass in steps, with turns of the event loop between them for what runs on promises. */
const passing = (millis: number) =>
  Effect.repeat(
    Effect.andThen(
      TestClock.adjust("60 millis"),
      Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    ),
    { times: Math.ceil(millis / 60) }
  )

describe("I9: a service that is down is not buried under retries", () => {
  for (let repeat = 0; repeat < size(1, 5); repeat++) {
    it.effect(
      `1,000 calls a minute for a minute send at most 1.1 times the calls, and all is back in 10 seconds (${repeat})`,
      () => {
        const faults = new FaultScript([{ fault: dead }])
        return Effect.gen(function*() {
          let begun = 0
          const calling = yield* Effect.forkChild(calls(1000, 2, () => begun++), { startImmediately: true })
          yield* passing(60_000)
          const during = faults.count("GET /health")
          assert.isAtMost(during, begun * 1.1, replay(repeat))
          assert.isAtLeast(begun, 1000)
          faults.clear()
          const back = yield* Clock.currentTimeMillis
          yield* passing(61_000)
          const ended = yield* Fiber.join(calling)
          const failedAfter = ended.filter(({ at, exit }) => Exit.isFailure(exit) && at > back).map(({ at }) =>
            at - back
          )
          assert.isAtMost(Math.max(0, ...failedAfter), 10_000, replay(repeat))
          const gauge = (yield* Metric.snapshot).find(({ id }) => id === "basilica_retry_budget_tokens")
          assert.isDefined(gauge)
        }).pipe(
          Random.withSeed(seed + repeat),
          Effect.provide(Layer.provideMerge(MemoryBasilica.layer({ faults }), Logger.layer([])))
        )
      },
      60_000
    )
  }

  it.effect("a service that fails 3 calls of 10 gets at most 1.5 times the calls", () => {
    const faults = new FaultScript()
    return Effect.gen(function*() {
      const calling = yield* Effect.forkChild(calls(1000, 1), { startImmediately: true })
      for (let step = 0; step < 1020; step++) {
        faults.clear()
        if (yield* Effect.map(Random.next, (part) => part < 0.3)) faults.add({ fault: dead })
        yield* passing(60)
      }
      yield* passing(5000)
      const ended = yield* Fiber.join(calling)
      assert.isAtMost(faults.count("GET /health"), 1500, replay())
      assert.isAtLeast(ended.filter(({ exit }) => Exit.isSuccess(exit)).length, 700)
    }).pipe(
      Random.withSeed(seed),
      Effect.provide(Layer.provideMerge(MemoryBasilica.layer({ faults }), Logger.layer([])))
    )
  })
})
