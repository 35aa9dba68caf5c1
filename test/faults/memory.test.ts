import { assert, describe, it } from "@effect/vitest"
import { FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import { Cause, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { expected } from "./expected.ts"
import { type Kind, kinds } from "./kinds.ts"
import { operations } from "./Operations.ts"
import { before, inMemory, program } from "./World.ts"

/** In memory there is no wire and no TLS, and where time costs nothing a slow reply is as good as another. */
const applies = (name: string, kind: Kind) =>
  "fault" in kind && kind.fault.wire === undefined && kind.fault.reused !== true && !/100 MiB|KB\/s|drips/.test(name)

describe("the same faults in memory, on virtual time", () => {
  for (const [name, kind] of kinds) {
    if (!("fault" in kind) || !applies(name, kind)) continue
    it.effect(`${name}: ends as over sockets`, () =>
      Effect.forEach(Object.entries(operations), ([column, operation]) => {
        const faults = new FaultScript()
        return Effect.gen(function*() {
          const memory = yield* MemoryBasilica
          const id = yield* before(memory, operation)
          const sentBefore = faults.count(operation.on(id))
          faults.add({ fault: kind.fault, on: operation.on(id), ...(name === "401 once" ? { times: 1 } : {}) })
          const services = operation.needs === "a sign-in"
            ? inMemory(memory, operation, { timeout: "10 seconds" })
            : Layer.empty
          const running = yield* Effect.forkChild(Effect.provide(operation.run(id), services), {
            startImmediately: true
          })
          for (let step = 0; step < 80 && running.pollUnsafe() === undefined; step++) {
            yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
            yield* TestClock.adjust(step < 40 ? "500 millis" : "1 minute")
          }
          const isOpen = running.pollUnsafe() === undefined
          if (isOpen) yield* Fiber.interrupt(running)
          const exit = yield* Fiber.await(running)
          const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          const tag = isOpen ? "open" : error === undefined ? "ok" : (error as { readonly _tag?: string })._tag
          const wanted = expected(name, column, "all")
          // A body that stalls is given up after minutes, and that of a deployment that is over asked for several times.
          const stalls = wanted?.tag === "open"
          assert.deepStrictEqual({ column, tag }, { column, tag: stalls ? "NetworkError" : wanted?.tag })
          assert.isAtMost(faults.count(operation.on(id)) - sentBefore, stalls ? 9 : wanted?.sends ?? 0, column)
          if (tag === "ok" && column === "stop") assert.lengthOf(yield* memory.running, 0)
        }).pipe(Effect.provide(Layer.provideMerge(
          MemoryBasilica.layer({
            faults,
            program: operation.ends === true ? { ...program, exits: true } : program,
            maxBodyBytes: 1024 * 1024,
            refreshOverlap: "1 hour"
          }),
          Logger.layer([])
        )))
      }))
  }
})
