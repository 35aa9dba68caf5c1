// Tests of a program that uses Basilica: with mocks of single services, and with a whole Basilica in memory.
import { assert, describe, it } from "@effect/vitest"
import { Deployments, Executors, NotFound, type PortMapping } from "basilica-sdk"
import { Fixture, MemoryBasilica, Mock } from "basilica-sdk/testing"
import { Effect, Fiber, Layer, Ref, Stream } from "effect"
import { TestClock } from "effect/testing"

// The program that is tested: it takes the machine with the most memory, trains there, and gives the last line.
const train = Effect.fn("train")(function*(image: string, ports: ReadonlyArray<PortMapping> = []) {
  const executors = yield* Executors
  const deployments = yield* Deployments
  const { items } = yield* executors.listAvailable({ minGpuCount: 1 })
  const memory = Math.max(...items.map(({ cpu }) => cpu.memoryGb))
  const largest = items.find(({ cpu }) => cpu.memoryGb === memory)
  if (largest === undefined) {
    return yield* Effect.fail(new NotFound({ operation: "train", resource: "executor", id: "any" }))
  }
  const { id } = yield* deployments.scoped({ executorId: largest.id, image, ports, noSsh: true })
  yield* deployments.waitUntilRunning(id)
  return yield* Stream.runLast(deployments.logs(id, { follow: true }))
}, Effect.scoped)

describe("with mocks", () => {
  it.effect("takes the machine with the most memory", () =>
    Effect.gen(function*() {
      const chosen = yield* Ref.make<ReadonlyArray<string | undefined>>([])
      const cpu = Fixture.executor().cpu
      const machines = Mock.executors({
        listAvailable: () =>
          Effect.succeed(Fixture.listing([
            Fixture.executor({ id: "small", cpu: { ...cpu, memoryGb: 64 } }),
            Fixture.executor({ id: "large", cpu: { ...cpu, memoryGb: 2048 } })
          ]))
      })
      const deployments = Mock.deployments({
        scoped: ({ executorId }) =>
          Effect.as(Ref.update(chosen, (ids) => [...ids, executorId]), Fixture.deployment({ executorId })),
        waitUntilRunning: (id) => Effect.succeed(Fixture.deployment({ id })),
        logs: () => Stream.make(Fixture.logEntry({ message: "done" }))
      })
      yield* train("acme/train:1").pipe(Effect.provide(Layer.merge(machines, deployments)))
      assert.deepStrictEqual(yield* Ref.get(chosen), ["large"])
    }))

  it.effect("says so when no machine is free", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(train("acme/train:1"))
      assert.strictEqual(error._tag, "NotFound")
    }).pipe(Effect.provide([
      Mock.executors({ listAvailable: () => Effect.succeed(Fixture.listing([])) }),
      Mock.deployments({})
    ])))
})

describe("with a Basilica in memory", () => {
  // Ten minutes until the machine is up, ten of training: the test clock jumps over both.
  const training = MemoryBasilica.layer({
    program: {
      startsAfter: "10 minutes",
      lines: [{ message: "epoch 1" }, { after: "10 minutes", message: "epoch 2" }],
      exits: true
    }
  })

  it.effect("trains for minutes and leaves nothing running", () =>
    Effect.gen(function*() {
      const { creates, running } = yield* MemoryBasilica
      const fiber = yield* Effect.forkChild(train("acme/train:1"))
      yield* TestClock.adjust("1 hour")
      const last = yield* Fiber.join(fiber)
      assert.strictEqual(last._tag === "Some" ? last.value.message : undefined, "epoch 2")
      assert.lengthOf(yield* creates, 1)
      assert.deepStrictEqual(yield* running, [])
    }).pipe(Effect.provide(training)))

  it.effect("stops the machine when it is interrupted half-way", () =>
    Effect.gen(function*() {
      const { running } = yield* MemoryBasilica
      const fiber = yield* Effect.forkChild(train("acme/train:1"))
      yield* TestClock.adjust("15 minutes")
      assert.lengthOf(yield* running, 1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* running, [])
    }).pipe(Effect.provide(training)))

  it.effect("sends nothing where the config is wrong", () =>
    Effect.gen(function*() {
      const { creates } = yield* MemoryBasilica
      const error = yield* Effect.flip(train("acme/train:1", [{ containerPort: 22, hostPort: 0, protocol: "tcp" }]))
      assert.include(error.message, "ports[0].containerPort")
      assert.deepStrictEqual(yield* creates, [])
    }).pipe(Effect.provide(training)))
})
