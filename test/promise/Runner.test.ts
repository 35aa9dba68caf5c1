import { Cause, Effect, Layer, Stream } from "effect"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { assert, describe, it } from "vitest"
import { Runner } from "../../src/promise/Runner.ts"

describe("an iterator", () => {
  it("answers those who wait before those who come later, wherever its fiber gives way to others", async () => {
    for (let limit = 6; limit < 30; limit++) {
      const runner = new Runner(Layer.succeed(MaxOpsBeforeYield, limit))
      let made = 0
      const numbers = Stream.fromPull(
        Effect.succeed(Effect.suspend(() => made < 200 ? Effect.succeed([made++] as const) : Cause.done()))
      )
      const iterator = runner.iterate(Effect.succeed(numbers))
      let asked = 0
      const reader = async () => {
        for (let turn = asked++, result = await iterator.next(); result.done !== true; result = await iterator.next()) {
          assert.strictEqual(result.value, turn, `giving way after ${limit}`)
          turn = asked++
        }
      }
      await Promise.all(Array.from({ length: 5 }, reader))
      assert.strictEqual(made, 200)
      await runner.close()
    }
  })
})
