import { assert, describe, it } from "@effect/vitest"
import { Basilica, Deployments, Executors } from "basilica-sdk"
import { MemoryBasilica } from "basilica-sdk/testing"
import { Cause, Clock, Deferred, Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"

const config = { gpu: {}, image: "acme/train:1", noSsh: true }
const deploy = Deployments.use((deployments) => deployments.deploy(config))
const creates = MemoryBasilica.use((memory) => memory.creates)
const running = MemoryBasilica.use((memory) => memory.running)

describe("MemoryBasilica", () => {
  it.effect("lets a ten-minute deployment pass in virtual time", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      const training = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
        const { id } = yield* deployments.scoped(config)
        const deployment = yield* deployments.waitUntilRunning(id)
        const lines = yield* Stream.runCollect(deployments.logs(id, { follow: true }))
        return {
          status: deployment.status._tag,
          lines: lines.map((line) => line.message),
          at: yield* Clock.currentTimeMillis
        }
      })))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* deployments.list()).items[0]?.status._tag, "Pending")
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* Fiber.join(training), {
        status: "Running",
        lines: ["epoch 1", "epoch 2", "saved"],
        at: Duration.toMillis("13 minutes")
      })
      assert.strictEqual((yield* creates).length, 1)
      assert.deepStrictEqual(yield* running, [])
    }).pipe(Effect.provide(MemoryBasilica.layer({
      program: {
        startsAfter: "10 minutes",
        lines: [
          { after: "1 minute", message: "epoch 1" },
          { after: "1 minute", message: "epoch 2" },
          { message: "saved", stream: "stderr" }
        ],
        exits: true,
        exitsAfter: "1 minute"
      }
    }))))

  it.effect("answers a deploy as late as it is told to, and once", () =>
    Effect.gen(function*() {
      const deploying = yield* Effect.forkChild(deploy)
      yield* TestClock.adjust("9 minutes")
      assert.isUndefined(deploying.pollUnsafe())
      assert.strictEqual((yield* running).length, 1)
      yield* TestClock.adjust("1 minute")
      const deployment = yield* Fiber.join(deploying)
      assert.deepStrictEqual((yield* creates).map((spec) => spec.rentalId), [deployment.id])
    }).pipe(Effect.provide(MemoryBasilica.layer({ program: { answersAfter: "10 minutes" } }))))

  it.effect("goes on with a deploy whose client gave up", () =>
    Effect.gen(function*() {
      const deploying = yield* Effect.forkChild(Effect.flip(deploy))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(deploying))._tag, "DeployOutcomeUnknown")
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual((yield* Deployments.use((deployments) => deployments.list())).items.length, 1)
    }).pipe(
      Effect.provide(MemoryBasilica.layer({ program: { answersAfter: "10 minutes" }, deployTimeout: "1 minute" }))
    ))

  it.effect("ends with its test, also while an interrupted deploy is under way", () =>
    Effect.gen(function*() {
      const memory = yield* Effect.gen(function*() {
        const deploying = yield* Effect.forkChild(deploy, { startImmediately: true })
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(deploying)
        return yield* MemoryBasilica
      }).pipe(Effect.provide(MemoryBasilica.layer({ program: { answersAfter: "10 minutes" } })))
      assert.strictEqual((yield* memory.creates).length, 1)
      assert.deepStrictEqual(yield* memory.running, [])
      assert.strictEqual(yield* Clock.currentTimeMillis, 1_000)
    }))

  it.effect("chooses the program by what is deployed", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      const { id } = yield* deployments.deploy({ ...config, environment: { SEED: "7" }, command: ["train"] })
      const lines = yield* Stream.runCollect(deployments.logs(id))
      assert.deepStrictEqual(lines.map((line) => line.message), ["acme/train:1 train 7"])
    }).pipe(Effect.provide(MemoryBasilica.layer({
      program: ({ command, environment, image }) => ({
        lines: [{ message: `${image} ${command.join(" ")} ${environment["SEED"]}` }]
      })
    }))))

  it.effect("shows a program that fails as failed, after all its lines", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      const { id } = yield* deploy
      assert.strictEqual((yield* deployments.status(id))._tag, "Running")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* deployments.status(id))._tag, "Failed")
      assert.deepStrictEqual(yield* running, [])
      assert.strictEqual((yield* Stream.runCollect(deployments.logs(id))).length, 1)
    }).pipe(Effect.provide(MemoryBasilica.layer({
      program: { lines: [{ message: "out of memory" }], exits: "failed", exitsAfter: "2 seconds" }
    }))))

  it.effect("hands out a line when it is printed, and not before", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      const { id } = yield* deploy
      const seen: Array<readonly [number, string]> = []
      yield* deployments.logs(id, { follow: true }).pipe(
        Stream.runForEach(({ message }) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            seen.push([now, message])
          })
        ),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(seen, [[0, "a"], [1_000, "b"], [1_000, "c"], [6_000, "d"]])
    }).pipe(Effect.provide(MemoryBasilica.layer({
      program: {
        lines: [{ message: "a" }, { after: "1 second", message: "b" }, { message: "c" }, {
          after: "5 seconds",
          message: "d"
        }]
      }
    }))))

  it.effect("cuts a log that is followed for longer than the service's limit", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      const { id } = yield* deploy
      const log = deployments.logs(id, { follow: true, maxReconnects: 0 })
      const following = yield* Effect.forkChild(Effect.flip(Stream.runDrain(log)))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Fiber.join(following))._tag, "ApiError")
    }).pipe(Effect.provide(MemoryBasilica.layer({ requestTimeout: "30 seconds" }))))

  it.effect("has the same ids and tokens in each world", () =>
    Effect.gen(function*() {
      const world = Effect.map(Effect.zip(deploy, MemoryBasilica), ([{ id }, { token }]) => ({ id, token }))
      const first = yield* Effect.provide(world, MemoryBasilica.layer())
      const second = yield* Effect.provide(world, MemoryBasilica.layer())
      assert.deepStrictEqual(first, second)
    }))

  it.effect("keeps worlds apart, also one inside another", () =>
    Effect.gen(function*() {
      yield* deploy
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* creates, [])
        assert.strictEqual((yield* Executors.use((executors) => executors.listAvailable())).items.length, 6)
      }).pipe(Effect.provide(MemoryBasilica.layer()))
      assert.strictEqual((yield* creates).length, 1)
    }).pipe(Effect.provide(MemoryBasilica.layer())))

  it.effect("makes a defect of a program that throws", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(deploy)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "no such seed")
    }).pipe(Effect.provide(MemoryBasilica.layer({
      program: () => {
        throw new Error("no such seed")
      }
    }))))

  it.effect("leads clients of your own to it", () => {
    const paths: Array<string> = []
    const clients = Layer.unwrap(MemoryBasilica.use(({ httpClient, tenants, url }) =>
      Effect.succeed(
        Basilica.layerHttpClient({ baseUrl: url, token: tenants[1]?.token }).pipe(
          Layer.provide(Layer.succeed(
            HttpClient.HttpClient,
            HttpClient.tapRequest(httpClient, (request) => Effect.sync(() => paths.push(request.url.slice(url.length))))
          ))
        )
      )
    ))
    return Effect.gen(function*() {
      yield* deploy
      assert.strictEqual((yield* creates).length, 1)
      assert.deepStrictEqual(new Set(paths), new Set(["/executors", "/rentals"]))
    }).pipe(Effect.provide(Layer.provideMerge(clients, MemoryBasilica.layerServer())))
  })

  it.effect("stops the reader of a log at once when it is interrupted", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      const { id } = yield* deploy
      const open = yield* Deferred.make<void>()
      const following = yield* deployments.logs(id, { follow: true }).pipe(
        Stream.runForEach(() => Deferred.succeed(open, undefined)),
        Effect.forkChild
      )
      yield* Deferred.await(open)
      yield* Fiber.interrupt(following)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }).pipe(Effect.provide(MemoryBasilica.layer({ program: { lines: [{ message: "ready" }] } }))))
})
