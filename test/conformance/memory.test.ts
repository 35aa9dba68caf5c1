import { it } from "@effect/vitest"
import { Basilica } from "basilica-sdk"
import { MemoryBasilica, type Program } from "basilica-sdk/testing"
import { Effect, Fiber, Layer } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { conformance, Ground } from "./suite.ts"

const ground = Layer.effect(
  Ground,
  MemoryBasilica.use(({ httpClient, running, tenants, url }) =>
    Effect.map(Effect.fromNullishOr(tenants[1]), (other) => ({
      as: (token) =>
        Layer.fresh(
          Layer.provide(
            Basilica.layerHttpClient({ baseUrl: url, token }),
            Layer.succeed(HttpClient.HttpClient, httpClient)
          )
        ),
      otherToken: other.token,
      running: Effect.map(running, (specs) => specs.length)
    }))
  )
)

const layer = Layer.provideMerge(
  ground,
  MemoryBasilica.layer({
    // What the script of this test says, and so what a program may be.
    program: ({ environment }) => JSON.parse(environment["SCRIPT"] ?? "{}") as Program
  })
)

/** Lets time pass for as long as this runs. */
const inPassingTime = Effect.fnUntraced(function*<A, E, R>(self: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(self, { startImmediately: true })
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
  return yield* Fiber.join(fiber)
})

conformance({
  name: "MemoryBasilica",
  it: (title, body) => it.effect(title, () => Effect.provide(inPassingTime(Effect.scoped(body)), layer)),
  script: (script) => ({ environment: { SCRIPT: JSON.stringify(script) } })
})
