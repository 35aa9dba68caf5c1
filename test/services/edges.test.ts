import { assert, describe, it } from "@effect/vitest"
import { Basilica, type DeployIntent, DeployJournal, Deployments, Executors, Health } from "basilica-sdk"
import { FaultScript, MemoryBasilica, MemoryJournal } from "basilica-sdk/testing"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Logger, Schedule, Scope, Stream } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import * as RetryBudget from "../../src/services/internal/RetryBudget.ts"

// Edges that a mutation run found untested.
const cpu = { cores: 1, model: "m", memoryGb: 1 }
const config = { gpu: {}, image: "acme/train:1", noSsh: true }

/** Runs an effect while virtual time passes, and gives how long it took. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    const running = yield* Effect.forkChild(
      Effect.flatMap(effect, (value) => Effect.map(Clock.currentTimeMillis, (at) => ({ value, millis: at - began }))),
      { startImmediately: true }
    )
    for (let step = 0; step < 10_000 && running.pollUnsafe() === undefined; step++) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("1 second")
    }
    return yield* Fiber.join(running)
  })
const quiet = (faults: FaultScript) => Layer.provideMerge(MemoryBasilica.layer({ faults }), Logger.layer([]))

/** The services over a client that gives this reply, or fails with this cause. */
const over = (reply: (() => Response) | Error) =>
  Layer.provide(
    Basilica.layerHttpClient({ baseUrl: "https://x.test", token: "t", maxBodyBytes: 100 }),
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        reply instanceof Error
          ? Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: reply })
            })
          )
          : Effect.sync(() => HttpClientResponse.fromWeb(request, reply()))
      )
    )
  )
const deployFailing = (cause: Error) =>
  Effect.flip(Effect.provide(Deployments.use((all) => all.deploy(config)), over(cause)))

describe("what a mutation run found untested", () => {
  it.effect("looks for 10 seconds after the service's own error, for 2 minutes after a proxy's, ever more seldom", () =>
    Effect.gen(function*() {
      const envelope =
        "{\"error\":{\"code\":\"BASILICA_API_OTHER_ERROR\",\"message\":\"x\",\"timestamp\":\"t\",\"retryable\":false}}"
      for (const [body, seconds, looks] of [[envelope, 10, 5], ["<html>", 120, 9]] as const) {
        const faults = new FaultScript([{ on: "POST", fault: { after: "body", reply: { status: 502, body } } }])
        const { millis, value } = yield* Effect.provide(
          timed(Effect.flip(Deployments.use((all) => all.deploy(config)))),
          quiet(faults)
        )
        assert.strictEqual(value._tag, "DeployOutcomeUnknown")
        assert.approximately(millis / 1000, seconds, 2)
        // One of them was before the deploy.
        assert.approximately(faults.count("GET /rentals"), looks, 1)
      }
    }))

  it.effect("says that a stop is not confirmed, and says it again where the layer that ends later tries in vain", () => {
    const faults = new FaultScript([{ on: "DELETE", fault: { after: "body", reply: { status: 500 } } }])
    return Effect.gen(function*() {
      const services = yield* Scope.make()
      const layer = Layer.provideMerge(MemoryBasilica.layer({ faults, timeout: "10 seconds" }), Logger.layer([]))
      const context = yield* Layer.buildWithScope(layer, services)
      const use = Effect.scoped(Deployments.use((all) => all.scoped(config)))
      const { value } = yield* timed(Effect.exit(Effect.provide(use, context)))
      assert.isTrue(Exit.isFailure(value))
      const { value: end } = yield* timed(Effect.exit(Scope.close(services, Exit.void)))
      assert.match(Exit.isFailure(end) ? Cause.pretty(end.cause) : "", /StopUnconfirmed/)
    })
  })

  it.effect("tries five times within 15 seconds to stop what a scope held, and says why it is not sure", () => {
    const faults = new FaultScript([{ on: "DELETE", fault: { after: "body", reply: { status: 429 } } }])
    return Effect.gen(function*() {
      const services = yield* Scope.make()
      const layer = MemoryBasilica.layer({ faults, retry: Schedule.recurs(0) })
      const context = yield* Layer.buildWithScope(Layer.provideMerge(layer, Logger.layer([])), services)
      const use = Effect.scoped(Deployments.use((all) => all.scoped(config)))
      const { millis, value } = yield* timed(Effect.exit(Effect.provide(use, context)))
      assert.match(Exit.isFailure(value) ? Cause.pretty(value.cause) : "", /too many requests \(429\)/)
      assert.approximately(millis / 1000, 15, 2)
      assert.strictEqual(faults.count("DELETE"), 5)
    })
  })

  it.effect("writes into the journal whether a scope holds what is deployed: that is never adopted", () => {
    const faults = new FaultScript([{ on: "POST", fault: { after: "body", reply: { status: 502, body: "<html>" } } }])
    return Effect.gen(function*() {
      const deployments = yield* Deployments
      for (const deploy of [deployments.deploy(config), Effect.scoped(deployments.scoped(config))]) {
        yield* timed(Effect.flip(deploy))
      }
      const open = yield* DeployJournal.use((journal) => journal.open)
      assert.deepStrictEqual(open.map(({ held }) => held), [undefined, true])
    }).pipe(Effect.provide(Layer.provideMerge(quiet(faults), MemoryJournal.layer())))
  })

  it.effect("checks the deadline of deploys when the layer is made", () =>
    Effect.gen(function*() {
      const layer = Basilica.layer({ token: "t", deployTimeout: "soon" as "1 second" })
      const error = yield* Effect.flip(Effect.provide(Deployments.use((all) => all.list()), layer))
      assert.strictEqual(error._tag, "ConfigurationError")
    }))

  it.effect("waits a random part of 100 ms, then of 200 ms, before it tries again", () =>
    Effect.gen(function*() {
      const faults = new FaultScript([{ on: "GET /health", fault: { after: "body", reply: { status: 503 } } }])
      const calls = Effect.repeat(Effect.exit(Health.use((health) => health.check)), { times: 19 })
      const fiber = yield* Effect.forkChild(Effect.provide(calls, quiet(faults)), { startImmediately: true })
      const begin = yield* Clock.currentTimeMillis
      while (fiber.pollUnsafe() === undefined) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust("5 millis")
      }
      assert.strictEqual(faults.count("GET /health"), 60)
      // Half of 300 ms, 20 times.
      assert.approximately((yield* Clock.currentTimeMillis) - begin, 3000, 1500)
    }))

  it.effect("looks every 5 seconds after a deployment that is watched", () => {
    const faults = new FaultScript()
    return Effect.gen(function*() {
      const deployments = yield* Deployments
      const { id } = yield* deployments.deploy(config)
      const watching = yield* Effect.forkChild(Stream.runDrain(deployments.watch(id)), { startImmediately: true })
      yield* TestClock.adjust("21 seconds")
      assert.strictEqual(faults.count(`GET /rentals/${id}`), 5)
      yield* Fiber.interrupt(watching)
    }).pipe(Effect.provide(quiet(faults)))
  })

  it.effect("chooses among all machines that fit", () =>
    Effect.gen(function*() {
      const chosen = new Set<string>()
      for (let count = 0; count < 30; count++) {
        yield* Effect.scoped(Effect.map(
          Deployments.use((all) => all.scoped(config)),
          ({ executorId }) => chosen.add(executorId ?? "")
        ))
      }
      assert.isAbove(chosen.size, 2)
    }).pipe(Effect.provide(quiet(new FaultScript()))))

  it.effect("looks for an intent until 16 minutes after its request, and knows then that nothing was made", () => {
    const intent: DeployIntent = {
      key: "k",
      executorId: "e",
      image: "i:1",
      before: [],
      sentAt: new Date(0).toISOString()
    }
    return Effect.gen(function*() {
      yield* TestClock.adjust("10 minutes")
      const { millis, value } = yield* timed(Deployments.use((all) => all.reconcile()))
      assert.deepStrictEqual(value.map(({ _tag }) => _tag), ["NotCreated"])
      assert.approximately(millis / 60_000, 6, 0.2)
      assert.deepStrictEqual(yield* DeployJournal.use((journal) => journal.open), [])
    }).pipe(Effect.provide(Layer.provideMerge(MemoryBasilica.layer(), MemoryJournal.layer([intent]))))
  })

  it.effect("keeps deploys of the same moment apart in the journal", () =>
    Effect.scoped(Effect.gen(function*() {
      const deployments = yield* Deployments
      const on = (executorId: string) => deployments.scoped({ executorId, image: "acme/train:1", noSsh: true })
      yield* Effect.all([on("e-0"), on("e-1")], { concurrency: 2 })
      assert.lengthOf(yield* DeployJournal.use((journal) => journal.open), 2)
    })).pipe(Effect.provide(Layer.provideMerge(
      MemoryBasilica.layer({
        executors: [0, 1].map((index) => ({ id: `e-${index}`, gpus: ["NVIDIA H100 80GB"], cpu }))
      }),
      MemoryJournal.layer()
    ))))

  it.effect("checks the input of every method before anything is sent", () => {
    const faults = new FaultScript()
    return Effect.gen(function*() {
      const deployments = yield* Deployments
      const errors = [
        yield* Effect.flip(deployments.get("../x")),
        yield* Effect.flip(deployments.status("../x")),
        yield* Effect.flip(deployments.stop("../x")),
        yield* Effect.flip(deployments.waitUntilRunning("../x")),
        yield* Effect.flip(deployments.reconcile({ found: "keep" as "stop" }))
      ]
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag), Array.from(errors, () => "ConfigurationError"))
      assert.lengthOf(faults.requests, 0)
    }).pipe(Effect.provide(quiet(faults)))
  })

  it.effect("does not wait, nor look in the list, where the service says that the request itself is wrong", () => {
    const faults = new FaultScript([{ on: "GET /rentals/", fault: { after: "body", reply: { status: 400 } } }])
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Deployments.use((all) => all.waitUntilRunning("rental-1")))
      assert.deepInclude(error, { _tag: "ApiError", status: 400 })
      assert.strictEqual(faults.count("GET"), 1)
    }).pipe(Effect.provide(quiet(faults)))
  })

  it.effect("tells of a reply that it does not understand what was done, and its request id", () =>
    Effect.gen(function*() {
      const list = Effect.flip(Executors.use((executors) => executors.listAvailable()))
      const large = yield* Effect.provide(list, over(() => new Response("a".repeat(200))))
      assert.deepInclude(large, { _tag: "InvalidResponse", outcome: "none" })
      const odd = yield* Effect.provide(
        list,
        over(() => new Response("{}", { headers: { "x-request-id": "request-7" } }))
      )
      assert.deepInclude(odd, { _tag: "InvalidResponse", outcome: "none", requestId: "request-7" })
    }))

  it.live("knows causes that say that nothing was sent, whatever holds them, and shows none that is no code", () =>
    Effect.gen(function*() {
      const named = Object.assign(new Error("open"), { _tag: "CircuitBreakerError" })
      assert.deepInclude(yield* deployFailing(named), { _tag: "NetworkError", phase: "connect", outcome: "none" })
      const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED", syscall: "connect" })
      const holders = [new TypeError("fetch failed", { cause: refused }), new AggregateError([refused])]
      for (const holder of [...holders, new TypeError("fetch failed", { cause: holders[1] })]) {
        assert.deepInclude(yield* deployFailing(holder), { _tag: "NetworkError", phase: "connect", outcome: "none" })
      }
      const cyclic: Error & { cause?: unknown } = new Error("x")
      cyclic.cause = cyclic
      assert.include((yield* deployFailing(cyclic)).message, "gave no reason")
      const odd = Object.assign(new Error("x"), { code: "Bearer secret" })
      assert.notInclude((yield* deployFailing(odd)).message, "secret")
    }))

  it.effect("gives one token of the retry budget back for a success at once", () =>
    Effect.gen(function*() {
      const budget = RetryBudget.make()
      let paid = 0
      while ((yield* budget.pay) > 0) paid++
      assert.strictEqual(paid, 100)
      for (let count = 0; count < 4; count++) yield* budget.refund(0)
      assert.strictEqual(yield* budget.pay, 0)
      yield* budget.refund(0)
      assert.strictEqual(yield* budget.pay, 5)
      yield* budget.refund(5)
      assert.strictEqual(yield* budget.pay, 5)
    }))
})
