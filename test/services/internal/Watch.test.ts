import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { TestClock } from "effect/testing"
import { type Chunks, type ChunkSource, next } from "../../../src/services/ChunkSource.ts"
import { PulledSource } from "../../../src/services/internal/PulledSource.ts"
import { Watch } from "../../../src/services/internal/Watch.ts"

const chunks: Chunks = [Uint8Array.of(1)]
const silent: ChunkSource<never> = { read: () => undefined, onReadable: () => {}, abandon: () => {} }

/** Brings something between the look of a reader and its listener, and tells nobody of it. */
const untold = (): ChunkSource<never> => {
  let looks = 0
  return { ...silent, read: () => looks++ === 0 ? undefined : Exit.succeed(chunks) }
}

/** A clock whose timers end when they are told to. */
const handClock = () => {
  const timers: Array<{ readonly due: number; readonly end: () => void }> = []
  const clock = {
    now: 1_000_000,
    currentTimeMillisUnsafe: () => clock.now,
    /** Goes on though the other is set. */
    elapsed: 0,
    monotonicTimeNanosUnsafe: () => BigInt(clock.elapsed) * 1_000_000n,
    sleep: (duration: Duration.Duration) =>
      Effect.callback<void>((resume) => {
        timers.push({ due: clock.now + Duration.toMillis(duration), end: () => resume(Effect.void) })
      }),
    /** Time goes on, and the timer that waits ends. */
    tick: async (millis: number) => {
      clock.now += millis
      clock.elapsed += millis
      timers.shift()?.end()
      await turn()
    }
  }
  return Object.assign(clock, { asClock: clock as unknown as Clock.Clock })
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe("who waits for bytes", () => {
  it.effect("finds what came between the look and the listener", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* next(untold()), chunks)
      const body = yield* new Watch().over(untold(), yield* Clock.Clock, yield* Effect.scope)
      assert.strictEqual(yield* body.next, chunks)
    }))

  it.live("loses no chunk of a pull that went on after it was given up, wherever the reader gives way to others", () =>
    Effect.gen(function*() {
      for (let limit = 3; limit < 80; limit++) {
        const scope = yield* Scope.make()
        const pulls: Array<(chunks: Chunks) => void> = []
        const pull = Effect.callback<Chunks>((resume) => {
          pulls.push((some) => resume(Effect.succeed(some)))
        })
        const source = yield* PulledSource.make(pull, scope)
        const { next: body } = yield* new Watch().over(source, yield* Clock.Clock, scope)
        const givenUp = yield* Effect.forkChild(body, { startImmediately: true })
        yield* Fiber.interrupt(givenUp)
        const busy = Effect.forEach(Array.from({ length: 20 }), () => Effect.suspend(() => Effect.void))
        const reading = yield* Effect.andThen(busy, body).pipe(
          Effect.provideService(MaxOpsBeforeYield, limit),
          Effect.forkChild({ startImmediately: true })
        )
        pulls.shift()?.([Uint8Array.of(1)])
        yield* Effect.promise(turn)
        pulls.shift()?.([Uint8Array.of(2)])
        assert.deepStrictEqual(yield* Fiber.join(reading), chunks, `giving way after ${limit}`)
        yield* Scope.close(scope, Exit.void)
      }
    }))

  it("is woken though the one before is not done with giving up, wherever that gives way to others", async () => {
    for (let limit = 5; limit < 60; limit++) {
      const scope = Scope.makeUnsafe()
      let listener: (() => void) | undefined
      let come: Chunks | undefined
      const source: ChunkSource<never> = {
        ...silent,
        read: () => come && Exit.succeed(come),
        onReadable: (wake) => listener = wake
      }
      const over = Effect.clockWith((clock) => new Watch().over(source, clock, scope))
      const body = Effect.provideService((await Effect.runPromise(over)).next, MaxOpsBeforeYield, limit)
      const first = Effect.runFork(body)
      for (let forNothing = 0; forNothing < 5; forNothing++) {
        await turn()
        listener?.()
      }
      await turn()
      first.interruptUnsafe()
      const second = Effect.runFork(body)
      await turn()
      come = chunks
      listener?.()
      await turn()
      assert.deepStrictEqual(second.pollUnsafe(), Exit.succeed(chunks), `giving way after ${limit}`)
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  })
})

describe("who waits until there is something", () => {
  it("leaves it to the next, wherever that gives way to others and whoever gives up", async () => {
    for (let limit = 3; limit < 60; limit++) {
      const scope = Scope.makeUnsafe()
      let listener: (() => void) | undefined
      const come: Array<Chunks> = []
      const source: ChunkSource<never> = {
        ...silent,
        read: () => {
          const one = come.shift()
          return one && Exit.succeed(one)
        },
        onReadable: (wake) => listener = wake
      }
      const body = Effect.runSync(Effect.clockWith((clock) => new Watch().over(source, clock, scope)))
      const busy = Effect.provideService(body.ready, MaxOpsBeforeYield, limit)
      const waiting = Effect.runFork(busy)
      await turn()
      listener?.()
      await turn()
      assert.isUndefined(waiting.pollUnsafe())
      come.push(chunks)
      listener?.()
      if (limit % 2 === 0) waiting.interruptUnsafe()
      await turn()
      // It is there already, and nothing is taken.
      await Effect.runPromise(body.ready)
      await Effect.runPromise(body.ready)
      assert.strictEqual(await Effect.runPromise(body.next), chunks, `giving way after ${limit}`)
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  })
})

describe("the watch over silent connections", () => {
  it.effect("looks after thousands that began together one after the other", () =>
    Effect.gen(function*() {
      const watch = new Watch()
      let noticed = 0
      for (let count = 0; count < 200; count++) {
        const { next: body } = yield* watch.over(silent, yield* Clock.Clock, yield* Effect.scope)
        yield* Effect.forkScoped(Effect.forever(Effect.map(body, () => noticed++)), { startImmediately: true })
      }
      let before = 0
      for (let second = 1; second <= 300; second++) {
        yield* TestClock.adjust("1 second")
        assert.isAtMost(noticed - before, 20, `second ${second}`)
        before = noticed
      }
      assert.approximately(noticed, 200 * 4, 100)
    }))

  it.effect("goes on while one of them is left", () =>
    Effect.gen(function*() {
      const watch = new Watch()
      const over = Effect.fnUntraced(function*() {
        const scope = yield* Scope.make()
        const { next: body } = yield* watch.over(silent, yield* Clock.Clock, scope)
        return { scope, fiber: yield* Effect.forkChild(body, { startImmediately: true }) }
      })
      const [stays, leaves] = [yield* over(), yield* over()]
      yield* Scope.close(leaves.scope, Exit.void)
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(stays.fiber.pollUnsafe(), Exit.succeed("silent"))
      yield* Scope.close(stays.scope, Exit.void)
    }))

  it("takes a connection for dead that was there before the machine slept, and none that was made since", async () => {
    const clock = handClock()
    const watch = new Watch()
    const scope = Scope.makeUnsafe()
    const over = () => Effect.runFork(Effect.runSync(watch.over(silent, clock.asClock, scope)).next)
    const old = over()
    // The timer goes by a clock that stood still meanwhile: it has not ended yet.
    clock.now += 3_600_000
    const fresh = over()
    await clock.tick(500)
    assert.deepStrictEqual(old.pollUnsafe(), Exit.succeed("slept"))
    assert.isUndefined(fresh.pollUnsafe())
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("notices silence though the clock of the machine is set back, and sleep after that", async () => {
    const clock = handClock()
    const watch = new Watch()
    const scope = Scope.makeUnsafe()
    const body = Effect.runSync(watch.over(silent, clock.asClock, scope)).next
    const first = Effect.runFork(body)
    clock.now -= 3_600_000
    for (let second = 0; second < 61; second++) await clock.tick(1000)
    assert.deepStrictEqual(first.pollUnsafe(), Exit.succeed("silent"))
    const second = Effect.runFork(body)
    clock.now += 600_000
    await clock.tick(1000)
    assert.deepStrictEqual(second.pollUnsafe(), Exit.succeed("slept"))
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("counts no time in which nobody waits", async () => {
    const clock = handClock()
    const watch = new Watch()
    const scope = Scope.makeUnsafe()
    const body = Effect.runSync(watch.over(silent, clock.asClock, scope)).next
    for (let second = 0; second < 100; second++) await clock.tick(1000)
    const waiting = Effect.runFork(body)
    for (let second = 0; second < 58; second++) await clock.tick(1000)
    assert.isUndefined(waiting.pollUnsafe())
    for (let second = 0; second < 3; second++) await clock.tick(1000)
    assert.deepStrictEqual(waiting.pollUnsafe(), Exit.succeed("silent"))
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("goes on for the others where what one makes of it throws", async () => {
    const clock = handClock()
    const watch = new Watch()
    const scope = Scope.makeUnsafe()
    const thrown: Array<unknown> = []
    const onThrow = (error: unknown) => thrown.push(error)
    const others = process.listeners("uncaughtException")
    process.removeAllListeners("uncaughtException").on("uncaughtException", onThrow)
    const body = () => Effect.runSync(watch.over(silent, clock.asClock, scope)).next
    Effect.runCallback(body(), {
      onExit: () => {
        throw new Error("of the program")
      }
    })
    const other = Effect.runFork(body())
    for (let second = 0; second < 70; second++) await clock.tick(1000)
    process.off("uncaughtException", onThrow)
    for (const listener of others) process.on("uncaughtException", listener)
    assert.lengthOf(thrown, 1)
    assert.deepStrictEqual(other.pollUnsafe(), Exit.succeed("silent"))
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })
})
