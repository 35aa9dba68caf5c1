import { assert, it } from "@effect/vitest"
import { Deployments } from "basilica-sdk"
import { Fixture, MemoryBasilica, Mock } from "basilica-sdk/testing"
import { Effect, Stream } from "effect"

const train = Effect.gen(function*() {
  const deployments = yield* Deployments
  const job = yield* deployments.scoped({ gpu: { count: 1 }, image: "acme/train:1", noSsh: true })
  const lines = yield* Stream.runCollect(deployments.logs(job.id, { follow: true }))
  return lines.map((line) => line.message)
}).pipe(Effect.scoped)

it.effect("with a mock of one service", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* train, ["epoch 1"])
  }).pipe(Effect.provide(Mock.deployments({
    scoped: ({ image }) => Effect.succeed(Fixture.deployment({ image })),
    logs: () => Stream.make(Fixture.logEntry({ message: "epoch 1" }))
  }))))

it.effect("with a whole Basilica in memory", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* train, ["epoch 1", "epoch 2"])
    const { running } = yield* MemoryBasilica
    assert.deepStrictEqual(yield* running, [])
  }).pipe(Effect.provide(MemoryBasilica.layer({
    program: { lines: [{ message: "epoch 1" }, { message: "epoch 2" }], exits: true }
  }))))
