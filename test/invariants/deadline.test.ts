import { assert, describe, it } from "@effect/vitest"
import { type Fault, FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import { Cause, Clock, Context, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { operations } from "../faults/Operations.ts"
import { before, client, inMemory, program, world } from "../faults/World.ts"
import { timed } from "../support/MachineTime.ts"

/** A stall in each phase, and the phase that the error names. */
const stalls: ReadonlyArray<readonly [phase: string, fault: Fault]> = [
  ["connect", { after: "accept", end: "stall" }],
  ["headers", { after: "body", end: "stall" }],
  ["body", { after: "body", reply: { status: 200, body: "{\"a\":" }, cut: { body: 3 }, end: "stall" }],
  ["body", { after: "body", reply: { status: 500, body: "{\"a\":" }, cut: { body: 3 }, end: "stall" }],
  ["backoff", { after: "body", reply: { status: 429, headers: { "retry-after": "50" } } }]
]

/** Runs an effect to its end while virtual time goes on. */
const inTime = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const running = yield* Effect.forkChild(effect, { startImmediately: true })
  for (let step = 0; step < 2000 && running.pollUnsafe() === undefined; step++) {
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    yield* TestClock.adjust("50 millis")
  }
  return yield* Fiber.join(running)
})

/** Deadlines in milliseconds; a stop looks what became of it, and a deploy says that it does not know. */
const timeout = 30_000
const deployTimeout = 90_000

describe("one deadline over everything, in every method", () => {
  for (const [phase, fault] of stalls) {
    it.effect(`a stall while in ${phase} ends at the deadline, and the error says so (${JSON.stringify(fault.reply ?? "")})`, () =>
      Effect.forEach(Object.entries(operations), ([name, operation]) => {
        // The body of a log takes as long as it takes.
        if (name.startsWith("logs") && phase === "body" && fault.reply?.status === 200) return Effect.void
        const faults = new FaultScript()
        return Effect.gen(function*() {
          const memory = yield* MemoryBasilica
          const id = yield* before(memory, operation)
          faults.add({ fault, on: operation.on(id) })
          const began = yield* Clock.currentTimeMillis
          const own = yield* Scope.make()
          const services = operation.needs === "a sign-in"
            ? yield* Layer.buildWithScope(inMemory(memory, operation, { timeout }), own)
            : Context.empty()
          const { exit, millis } = yield* inTime(Effect.flatMap(
            Effect.exit(Effect.provide(operation.run(id), services)),
            (exit) => Effect.map(Clock.currentTimeMillis, (at) => ({ exit, millis: at - began }))
          ))
          yield* inTime(Scope.close(own, Exit.void))
          const limit = name === "deploy" ? deployTimeout : timeout
          assert.isAtMost(millis, limit + 100, name)
          const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          // These look what became of them within their deadline.
          if (name === "stop" || name === "deploy" || name === "createKey") return
          if (name === "refresh" && phase === "backoff") {
            // The sign-in service is asked three times, whatever it says of later.
            assert.deepInclude(error, { _tag: "AuthenticationError", kind: "unreachable" })
            return
          }
          // While a token is waited for, nothing of the call is on its way.
          const named = name === "refresh" ? "connect" : phase
          assert.deepInclude(error, { _tag: "TimeoutError", phase: named, afterMillis: timeout }, name)
          assert.isAtLeast(millis, limit, name)
        }).pipe(Effect.provide(Layer.provideMerge(
          MemoryBasilica.layer({ faults, program, timeout, deployTimeout }),
          Logger.layer([])
        )))
      }))
  }

  it.live("holds on the real clock, over sockets", () =>
    Effect.forEach(stalls.slice(1, 4), ([, fault]) =>
      Effect.scoped(Effect.gen(function*() {
        const faults = new FaultScript([{ on: "GET /executors", fault }])
        const { front, memory } = yield* world(faults)
        const services = yield* Layer.build(client(front.url, memory, { timeout: 300 }))
        const list = Effect.provide(operations["listExecutors"]?.run("") ?? Effect.void, services)
        const [millis, error] = yield* timed(Effect.flip(list))
        assert.strictEqual(error._tag, "TimeoutError")
        assert.isAtMost(millis, 300 + 100)
      }))))
})
