import { assert, describe, it } from "@effect/vitest"
import { Auth, AuthenticationError, Basilica, DeployJournal, Deployments } from "basilica-sdk"
import { FaultScript, MemoryBasilica, type MemoryBasilicaOptions, MemoryJournal } from "basilica-sdk/testing"
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Random, Redacted, Scope } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { against } from "../support/client.ts"
import { bare, json, rental, rentalItem, scriptedServer, started } from "../support/ScriptedServer.ts"

const machine = "2f0c6a3e-7d51-4b0a-9c1e-0a6b5d1f4c01"
const anywhere = { gpu: {}, image: "acme/train:1", noSsh: true }
const there = { executorId: machine, image: "acme/train:1", noSsh: true }
const slow = { after: "work", pace: { bytes: 1, every: "100 millis" } } as const
const sent = (faults: FaultScript) => faults.requests.map(({ method, path }) => `${method} ${path.split("/")[1]}`)
const posts = (faults: FaultScript) => faults.count("POST /rentals")
const running = Effect.flatMap(MemoryBasilica, (memory) => Effect.map(memory.running, (all) => all.length))
const lines: Array<string> = []
const logger = Logger.layer([Logger.make(({ message }) => {
  lines.push(String(message))
})])

/** Runs a program against a Basilica in memory, and says how it and its layer ended. */
const ends = <A, E>(
  program: Effect.Effect<A, E, MemoryBasilica | Basilica.Services>,
  options: MemoryBasilicaOptions,
  journal = MemoryJournal.make()
) =>
  Effect.gen(function*() {
    lines.length = 0
    const scope = yield* Scope.make()
    const layer = Layer.provide(MemoryBasilica.layer(options), Layer.succeed(DeployJournal, journal))
    const context = yield* Layer.buildWithScope(Layer.provideMerge(layer, logger), scope)
    const exit = yield* Effect.exit(Effect.provide(program, context))
    const closed = yield* Effect.exit(Scope.close(scope, Exit.void))
    return { exit, closed, left: yield* Effect.provide(running, context) }
  })

/** A client of a Basilica in memory, which keeps a journal. */
const clientOf = (
  { httpClient, token, url }: MemoryBasilica["Service"],
  journal: DeployJournal["Service"],
  http = httpClient
) =>
  Basilica.layerHttpClient({ baseUrl: url, token }).pipe(
    Layer.provide(Layer.succeed(HttpClient.HttpClient, http)),
    Layer.provide(Layer.succeed(DeployJournal, journal))
  )

/** What an effect died of. */
const defects = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? Cause.pretty(exit.cause) : ""

const begun = (how: "deploy" | "scoped", config: typeof anywhere | typeof there = anywhere) =>
  Effect.forkChild(
    Effect.scoped(Deployments.use((deployments) => deployments[how](config))),
    { startImmediately: true }
  )

describe.each(["deploy", "scoped"] as const)("a %s that is given up", (how) => {
  it.effect("before it is sent is not sent", () =>
    Effect.gen(function*() {
      for (const on of ["GET /executors", "GET /rentals"] as const) {
        const faults = new FaultScript([{ on, times: 1, fault: slow }])
        const { closed } = yield* ends(
          Effect.gen(function*() {
            const fiber = yield* begun(how)
            yield* TestClock.adjust("300 millis")
            yield* Fiber.interrupt(fiber)
          }),
          { faults }
        )
        assert.isTrue(Exit.isSuccess(closed))
        assert.notInclude(sent(faults), "POST rentals")
      }
    }))

  it.effect("while it waits for its turn at a machine is not sent", () =>
    Effect.gen(function*() {
      const faults = new FaultScript()
      yield* ends(
        Effect.gen(function*() {
          yield* begun("deploy", there)
          yield* TestClock.adjust("1 second")
          const second = yield* begun(how, there)
          yield* TestClock.adjust("1 second")
          yield* Fiber.interrupt(second)
          yield* TestClock.adjust("11 minutes")
        }),
        { faults, program: { answersAfter: "10 minutes" } }
      )
      assert.strictEqual(posts(faults), 1)
    }))

  it.effect("is not sent a second time for nobody", () =>
    Effect.gen(function*() {
      const faults = new FaultScript([{ on: "POST /rentals", times: 1, fault: { after: "body", end: "reset" } }])
      yield* ends(
        Effect.gen(function*() {
          const deployments = yield* Deployments
          const fiber = yield* Effect.forkChild(
            Effect.scoped(deployments[how](anywhere, { resubmitAfter: "20 minutes" })),
            { startImmediately: true }
          )
          yield* TestClock.adjust("5 minutes")
          yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          yield* TestClock.adjust("1 hour")
        }),
        { faults }
      )
      assert.strictEqual(posts(faults), 1)
    }))

  it.effect("and whose outcome nobody knows is loud: in a log, and at the end", () =>
    Effect.gen(function*() {
      const faults = new FaultScript([{ on: "POST /rentals", fault: { after: "work", reply: { status: 502 } } }, {
        on: "GET /rentals",
        skip: 1,
        fault: { after: "body", reply: { status: 503 } }
      }])
      const { closed, exit, left } = yield* ends(
        Effect.gen(function*() {
          const fiber = yield* begun(how)
          yield* TestClock.adjust("1 second")
          yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          yield* TestClock.adjust("1 hour")
          return yield* Fiber.join(fiber)
        }),
        { faults }
      )
      assert.strictEqual(left, 1)
      assert.match(lines.join("\n"), /An interrupted deploy: Deployments\.deploy .*answered 502/)
      assert.match(defects(how === "deploy" ? closed : exit), /DeployOutcomeUnknown/)
    }))
})

describe("a deploy that is given up", () => {
  it.effect("while its intent is crossed out is stopped", () =>
    Effect.gen(function*() {
      const kept = MemoryJournal.make()
      const journal = DeployJournal.of({
        ...kept,
        remove: (key) => Effect.andThen(Effect.sleep("1 second"), kept.remove(key))
      })
      const { left } = yield* ends(
        Effect.gen(function*() {
          const fiber = yield* begun("deploy")
          yield* TestClock.adjust("500 millis")
          yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          yield* TestClock.adjust("10 minutes")
        }),
        {},
        journal
      )
      assert.strictEqual(left, 0)
      assert.deepStrictEqual(yield* kept.open, [])
    }))

  it.live("and answered after its deadline is stopped by a stop that has a time of its own", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<ServerResponse>()
      let cut = 0
      const server = yield* scriptedServer((response, { method }) => {
        if (method === "POST") return Deferred.doneUnsafe(arrived, Exit.succeed(response))
        if (method === "GET") return json(response, 200, { rentals: [], total_count: 0 })
        response.on("close", () => cut += response.writableFinished ? 0 : 1)
        return setTimeout(() => bare(response, 204), 100)
      })
      const stops = () => server.received.filter(({ method }) => method === "DELETE").length
      yield* Effect.gen(function*() {
        const deployments = yield* Deployments
        const fiber = yield* Effect.forkChild(deployments.deploy(there, { timeout: "90 millis" }))
        const response = yield* Deferred.await(arrived)
        yield* Fiber.interrupt(fiber)
        yield* Effect.sleep("150 millis")
        json(response, 200, started)
        while (stops() === 0) yield* Effect.sleep("5 millis")
      }).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual([stops(), cut], [1, 0])
    }))

  it.live("by the end of its layer alone is waited for, and handed over", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<ServerResponse>()
      const server = yield* scriptedServer((response, { method }) =>
        method === "POST"
          ? Deferred.doneUnsafe(arrived, Exit.succeed(response))
          : json(response, 200, { rentals: [], total_count: 0 })
      )
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Basilica.layer({ baseUrl: server.url, token: "t" }), scope)
      const fiber = yield* Effect.forkChild(
        Effect.provide(Deployments.use((deployments) => deployments.deploy(there)), context)
      )
      const response = yield* Deferred.await(arrived)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.sleep("20 millis")
      assert.isFalse(response.destroyed)
      json(response, 200, started)
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Fiber.join(fiber)).id, started.rental_id)
    }))
})

describe.each(["deploy", "scoped"] as const)("a %s that was found before its reply came", (how) => {
  it.live("is neither stopped by the reply nor called lost", () =>
    Effect.gen(function*() {
      const logs: Array<string> = []
      const arrived = yield* Deferred.make<ServerResponse>()
      const server = yield* scriptedServer((response, { method, url }, count) => {
        if (method === "POST") return Deferred.doneUnsafe(arrived, Exit.succeed(response))
        if (method === "DELETE") return bare(response, 204)
        if (url !== "/rentals") return json(response, 200, rental("active"))
        const mine = rentalItem("Active", { executor_id: machine, container_image: "acme/train:1" })
        const items = count === 1 ? [] : [mine]
        return json(response, 200, { rentals: items, total_count: items.length })
      })
      const deletes = () => server.received.filter(({ method }) => method === "DELETE").length
      yield* Effect.scoped(Effect.gen(function*() {
        const deployments = yield* Deployments
        const { reconciled } = yield* deployments[how](there, { timeout: "270 millis" })
        assert.isTrue(reconciled)
        const response = yield* Deferred.await(arrived)
        json(response, 200, started)
        yield* Effect.promise(() => once(response, "close"))
        // What the reply leads to is done before another call of the client is answered.
        yield* deployments.list()
        assert.strictEqual(deletes(), 0)
      })).pipe(against({ baseUrl: server.url }, logs))
      assert.strictEqual(deletes(), how === "scoped" ? 1 : 0)
      assert.notMatch(logs.join("\n"), /came after the deadline/)
    }))
})

describe("a scoped deploy", () => {
  it.effect("is stopped at the end of its layer beside a deploy that is under way", () =>
    Effect.gen(function*() {
      const memory = yield* MemoryBasilica
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Basilica.layerHttpClient({ baseUrl: memory.url, token: memory.token }).pipe(
          Layer.provide(Layer.succeed(HttpClient.HttpClient, memory.httpClient))
        ),
        scope
      )
      const deployments = Context.get(context, Deployments)
      const holding = yield* Scope.make()
      const held = yield* Effect.forkChild(Scope.provide(deployments.scoped(anywhere), holding), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(held)
      const slow = yield* Effect.forkChild(deployments.deploy({ ...anywhere, image: "slow:1" }), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* memory.running).map(({ image }) => image), ["slow:1"])
      yield* TestClock.adjust("20 minutes")
      yield* Fiber.join(closing)
      yield* Fiber.await(slow)
    }).pipe(Effect.provide(MemoryBasilica.layerServer({
      program: ({ image }) => image === "slow:1" ? { answersAfter: "10 minutes" } : {}
    }))))

  it.effect("is not lost by a journal that breaks once it runs", () =>
    Effect.gen(function*() {
      for (const what of ["put", "open"] as const) {
        for (const cancels of [false, true]) {
          const kept = MemoryJournal.make()
          let isSent = false
          const journal = DeployJournal.of({
            ...kept,
            put: (intent) => {
              if (intent.id !== undefined && what === "put") return Effect.die("the database is gone")
              isSent = true
              return kept.put(intent)
            },
            open: Effect.suspend(() => isSent && what === "open" ? Effect.die("the database is gone") : kept.open)
          })
          const { left } = yield* ends(
            Effect.gen(function*() {
              const fiber = yield* begun("scoped")
              yield* TestClock.adjust("10 seconds")
              if (cancels) yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
              yield* TestClock.adjust("30 minutes")
              yield* Fiber.await(fiber)
            }),
            { program: { answersAfter: "1 minute" } },
            journal
          )
          assert.strictEqual(left, 0, `${what}, cancels ${cancels}`)
          assert.include(lines.join("\n"), "The journal failed: the database is gone")
        }
      }
    }))

  it.effect("that could not be stopped is left to reconcile, also in the same program", () =>
    Effect.gen(function*() {
      const memory = yield* MemoryBasilica
      const journal = MemoryJournal.make()
      let isBroken = true
      const http = HttpClient.make((request) =>
        isBroken && request.method === "DELETE" ? Effect.never : memory.httpClient.execute(request)
      )
      const client = () => clientOf(memory, journal, http)
      const first = yield* Effect.forkChild(
        Effect.provide(Effect.scoped(Deployments.use((deployments) => deployments.scoped(anywhere))), client()),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 hours")
      assert.match(defects(yield* Fiber.await(first)), /StopUnconfirmed/)
      isBroken = false
      const [one] = yield* Effect.provide(Deployments.use((deployments) => deployments.reconcile()), client())
      assert.strictEqual(one?._tag, "Stopped")
      assert.deepStrictEqual(yield* memory.running, [])
    }).pipe(Effect.provide(MemoryBasilica.layerServer())))

  it.effect("is found by the next start, though the journal could not note its id", () =>
    Effect.gen(function*() {
      const memory = yield* MemoryBasilica
      const kept = MemoryJournal.make()
      const journal = DeployJournal.of({
        ...kept,
        put: (intent) => intent.id === undefined ? kept.put(intent) : Effect.die("the disk is full")
      })
      const crashed = yield* Effect.forkChild(
        Effect.provide(
          Effect.scoped(
            Effect.andThen(Deployments.use((deployments) => deployments.scoped(anywhere)), Effect.sleep("1 hour"))
          ),
          clientOf(memory, journal)
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 minute")
      const next = clientOf(memory, MemoryJournal.make(yield* kept.open))
      const looking = yield* Effect.forkChild(
        Effect.provide(Deployments.use((deployments) => deployments.reconcile()), next),
        { startImmediately: true }
      )
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual((yield* Fiber.join(looking))[0]?._tag, "Stopped")
      assert.deepStrictEqual(yield* memory.running, [])
      yield* TestClock.adjust("2 hours")
      yield* Fiber.await(crashed)
    }).pipe(Effect.provide(MemoryBasilica.layerServer())))

  it.effect("whose reply comes after its deadline is stopped", () =>
    Effect.gen(function*() {
      const { closed, exit, left } = yield* ends(
        Effect.gen(function*() {
          const deployments = yield* Deployments
          const fiber = yield* Effect.forkChild(
            Effect.flip(Effect.scoped(deployments.scoped(anywhere, { timeout: "1 minute" }))),
            { startImmediately: true }
          )
          yield* TestClock.adjust("10 minutes")
          return (yield* Fiber.join(fiber))._tag
        }),
        { program: { answersAfter: "5 minutes" }, faults: new FaultScript() }
      )
      assert.deepStrictEqual(exit, Exit.succeed("DeployOutcomeUnknown"))
      assert.isTrue(Exit.isSuccess(closed))
      assert.strictEqual(left, 0)
      assert.match(lines.join("\n"), /the reply came after the deadline: rental-\S+ is stopped/)
    }))

  it.effect("whose stop was not certain is stopped once more by the layer", () =>
    Effect.gen(function*() {
      const faults = new FaultScript([{
        on: "DELETE /rentals",
        times: 15,
        fault: { after: "body", reply: { status: 500 } }
      }])
      const { closed, exit, left } = yield* ends(
        Effect.gen(function*() {
          const fiber = yield* begun("scoped")
          yield* TestClock.adjust("10 minutes")
          return yield* Fiber.join(fiber)
        }),
        { faults }
      )
      assert.match(defects(exit), /StopUnconfirmed/)
      assert.isTrue(Exit.isSuccess(closed))
      assert.strictEqual(left, 0)
    }))

  it.effect("is stopped though the sign-in cannot be reached for a while", () =>
    Effect.gen(function*() {
      const memory = yield* MemoryBasilica
      let isDown = false
      const token = Effect.suspend(() =>
        isDown
          ? Effect.fail(
            new AuthenticationError({ operation: "x", kind: "unreachable", reason: "it is down", remedy: "Wait." })
          )
          : Effect.succeed(memory.token)
      )
      const services = Basilica.layerHttpClient({
        baseUrl: memory.url,
        auth: Layer.succeed(Auth, Auth.of({ token, invalidate: () => Effect.void }))
      }).pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, memory.httpClient)))
      const fiber = yield* Effect.forkChild(
        Effect.provide(
          Effect.scoped(Deployments.use((deployments) =>
            Effect.andThen(
              deployments.scoped(anywhere),
              Effect.sync(() => {
                isDown = true
              })
            )
          )),
          services
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 seconds")
      isDown = false
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* memory.running, [])
      assert.isString(Redacted.value(memory.token))
    }).pipe(Effect.provide(MemoryBasilica.layerServer())))
})

describe("deploys at the same time", () => {
  it.effect("do not choose a machine that another of them is about to take", () =>
    Effect.gen(function*() {
      const pair = { ...anywhere, gpu: { type: "h100" } }
      for (let round = 0; round < 20; round++) {
        const faults = new FaultScript([{ on: "GET /rentals", fault: slow }])
        const { exit } = yield* ends(
          Effect.gen(function*() {
            const deployments = yield* Deployments
            const all = yield* Effect.all([deployments.deploy(pair), deployments.deploy(pair)], {
              concurrency: 2
            }).pipe(Random.withSeed(round), Effect.forkChild({ startImmediately: true }))
            yield* TestClock.adjust("1 minute")
            return yield* Fiber.join(all)
          }),
          { faults }
        )
        assert.isTrue(Exit.isSuccess(exit))
        assert.strictEqual(posts(faults), 2)
      }
    }))
})

describe("resubmitAfter", () => {
  it.effect("is not waited for by the end of the layer, where nobody waits for the deploy", () =>
    Effect.gen(function*() {
      const faults = new FaultScript([{ on: "POST /rentals", times: 1, fault: { after: "body", end: "reset" } }])
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(MemoryBasilica.layer({ faults }), scope)
      const fiber = yield* Effect.forkChild(
        Context.get(context, Deployments).deploy(anywhere, { resubmitAfter: "5 hours" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 minute")
      // What is under way then, a test clock would not move: the outcome is told already.
      assert.match(defects(yield* Effect.exit(Scope.close(scope, Exit.void))), /DeployOutcomeUnknown/)
    }))

  it.effect("goes by no clock that somebody can set", () =>
    Effect.gen(function*() {
      const test = yield* Clock.Clock
      let ahead = 0
      const set: Clock.Clock = {
        ...test,
        sleep: (duration) => test.sleep(duration),
        currentTimeMillisUnsafe: () => test.currentTimeMillisUnsafe() + ahead,
        currentTimeNanosUnsafe: () => test.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n,
        monotonicTimeNanosUnsafe: () => test.monotonicTimeNanosUnsafe(),
        currentTimeMillis: Effect.map(test.currentTimeMillis, (now) => now + ahead),
        currentTimeNanos: Effect.map(test.currentTimeNanos, (now) => now + BigInt(ahead) * 1_000_000n)
      }
      const faults = new FaultScript([{ on: "POST /rentals", times: 1, fault: { after: "body", end: "reset" } }])
      const { exit } = yield* ends(
        Effect.gen(function*() {
          // The machine has been up for some time.
          yield* TestClock.adjust("1 hour")
          const fiber = yield* Effect.forkChild(
            Deployments.use((deployments) => deployments.deploy(anywhere, { resubmitAfter: "20 minutes" })).pipe(
              Effect.provideService(Clock.Clock, set)
            ),
            { startImmediately: true }
          )
          yield* TestClock.adjust("1 minute")
          ahead = 20 * 60_000
          yield* TestClock.adjust("5 minutes")
          const early = posts(faults)
          ahead = 0
          yield* TestClock.adjust("1 hour")
          yield* Fiber.join(fiber)
          return [early, posts(faults)]
        }),
        { faults }
      )
      assert.deepStrictEqual(exit, Exit.succeed([1, 2]))
    }))
})

describe("resubmitAfter, where the reply to the second request comes after the deadline", () => {
  it.effect("leaves that deployment to whoever was told of an unknown outcome", () =>
    Effect.gen(function*() {
      const faults = new FaultScript([{ on: "POST /rentals", times: 1, fault: { after: "body", end: "reset" } }])
      const { closed, exit, left } = yield* ends(
        Effect.gen(function*() {
          const deployments = yield* Deployments
          const fiber = yield* Effect.forkChild(
            Effect.flip(deployments.deploy(anywhere, { resubmitAfter: "20 minutes", timeout: "1 minute" })),
            { startImmediately: true }
          )
          yield* TestClock.adjust("1 hour")
          return (yield* Fiber.join(fiber))._tag
        }),
        { faults, program: { answersAfter: "5 minutes" } }
      )
      assert.deepStrictEqual(exit, Exit.succeed("DeployOutcomeUnknown"))
      assert.isTrue(Exit.isSuccess(closed))
      assert.deepStrictEqual([posts(faults), left], [2, 1])
      assert.match(lines.join("\n"), /the reply came after the deadline: rental-\S+ runs, and is billed/)
    }))
})

describe("Deployments.reconcile", () => {
  const intent = { key: "k1", executorId: machine, image: "acme/train:1", before: [], sentAt: "1970-01-01T00:00:00Z" }
  const reconciled = (items: ReadonlyArray<unknown>, more: object = {}, left = {}, totalCount = items.length) =>
    Effect.gen(function*() {
      const journal = MemoryJournal.make([{ ...intent, ...left }])
      const server = yield* scriptedServer((response, { method, url }) => {
        if (method === "DELETE") return bare(response, 204)
        if (url !== "/rentals") return bare(response, 500)
        return json(response, 200, { rentals: items, total_count: totalCount })
      })
      const report = yield* Deployments.use((deployments) => deployments.reconcile(more)).pipe(
        Effect.provide(
          Layer.provide(Basilica.layer({ baseUrl: server.url, token: "t" }), Layer.succeed(DeployJournal, journal))
        )
      )
      return { report: report[0]?._tag, open: (yield* journal.open).length }
    })
  const mine = (changes: object) =>
    rentalItem("Active", { executor_id: machine, container_image: "acme/train:1", ...changes })

  it.live("does not take for nothing a deployment that may be the one, or a list that has less than it says", () =>
    Effect.gen(function*() {
      for (const changes of [{ executor_id: null }, { container_image: null }]) {
        assert.deepStrictEqual(yield* reconciled([mine(changes)]), { report: "Unresolved", open: 1 })
      }
      assert.deepStrictEqual(yield* reconciled([], {}, {}, 3), { report: "Unresolved", open: 1 })
      assert.deepStrictEqual(
        yield* reconciled([mine({ executor_id: "other", container_image: null })]),
        { report: "NotCreated", open: 0 }
      )
    }))

  it.live("takes one that is listed twice for one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* reconciled([mine({}), mine({})]), { report: "Stopped", open: 0 })
    }))

  it.live("hands over what was deployed and not handed over yet, where that is asked for", () =>
    Effect.gen(function*() {
      const left = { id: started.rental_id }
      assert.deepStrictEqual(yield* reconciled([mine({})], { found: "adopt" }, left), { report: "Adopted", open: 0 })
      assert.deepStrictEqual(yield* reconciled([mine({})], {}, left), { report: "Stopped", open: 0 })
      assert.deepStrictEqual(yield* reconciled([], { found: "adopt" }, left), { report: "Stopped", open: 0 })
    }))

  it.live("crosses out what it hands over at its very end", () =>
    Effect.gen(function*() {
      const journal = MemoryJournal.make([intent, {
        ...intent,
        key: "k2",
        executorId: "e2",
        sentAt: new Date().toISOString()
      }])
      const looked = yield* Deferred.make<void>()
      const server = yield* scriptedServer((response, _, count) => {
        if (count > 3) Deferred.doneUnsafe(looked, Exit.void)
        json(response, 200, { rentals: [mine({})], total_count: 1 })
      })
      const fiber = yield* Effect.forkChild(
        Deployments.use((deployments) => deployments.reconcile({ found: "adopt" })).pipe(
          Effect.provide(
            Layer.provide(Basilica.layer({ baseUrl: server.url, token: "t" }), Layer.succeed(DeployJournal, journal))
          )
        )
      )
      yield* Deferred.await(looked)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual((yield* journal.open).map(({ key }) => key).toSorted(), ["k1", "k2"])
    }))

  it.effect("does not stop what the same program deploys on that machine meanwhile", () =>
    Effect.gen(function*() {
      const journal = MemoryJournal.make([{ ...intent, sentAt: new Date(0).toISOString() }])
      const { exit, left } = yield* ends(
        Effect.gen(function*() {
          const deployments = yield* Deployments
          const looking = yield* Effect.forkChild(deployments.reconcile(), { startImmediately: true })
          yield* TestClock.adjust("10 seconds")
          const fresh = yield* Effect.forkChild(deployments.deploy(there), { startImmediately: true })
          yield* TestClock.adjust("30 minutes")
          const [one] = yield* Fiber.join(looking)
          return [one?._tag, (yield* deployments.status((yield* Fiber.join(fresh)).id))._tag]
        }),
        { program: { answersAfter: "1 minute" } },
        journal
      )
      assert.deepStrictEqual(exit, Exit.succeed(["NotCreated", "Running"]))
      assert.strictEqual(left, 1)
    }))

  it.effect("looks for many intents of one machine at the same time, and none waits for another", () =>
    Effect.gen(function*() {
      const left = Array.from({ length: 16 }, (_, index) => ({ ...intent, key: `k${index}` }))
      const { exit } = yield* ends(
        Effect.gen(function*() {
          yield* TestClock.adjust("1 hour")
          const deployments = yield* Deployments
          const looking = yield* Effect.forkChild(deployments.reconcile(), { startImmediately: true })
          yield* TestClock.adjust("30 minutes")
          return (yield* Fiber.join(looking)).map(({ _tag }) => _tag)
        }),
        {
          faults: new FaultScript([{
            on: "GET /rentals",
            fault: { after: "work", pace: { bytes: 1, every: "500 millis" } }
          }])
        },
        MemoryJournal.make(left)
      )
      assert.deepStrictEqual(exit, Exit.succeed(Array.from(left, () => "NotCreated" as const)))
    }))

  it.effect("waits no longer than it was told for a deploy of the same program to that machine", () =>
    Effect.gen(function*() {
      const { exit } = yield* ends(
        Effect.gen(function*() {
          const deployments = yield* Deployments
          const fresh = yield* begun("deploy", there)
          yield* TestClock.adjust("1 second")
          const looking = yield* Effect.forkChild(deployments.reconcile({ timeout: "10 seconds" }), {
            startImmediately: true
          })
          yield* TestClock.adjust("1 minute")
          const ended = looking.pollUnsafe()
          yield* TestClock.adjust("30 minutes")
          yield* Fiber.join(fresh)
          return ended
        }),
        { program: { answersAfter: "10 minutes" } },
        MemoryJournal.make([{ ...intent, sentAt: new Date(0).toISOString() }])
      )
      const report = Exit.isSuccess(exit) ? yield* exit.value ?? Exit.succeed([]) : []
      assert.deepStrictEqual(report.map(({ _tag }) => _tag), ["Unresolved"])
      assert.match(JSON.stringify(report), /a deploy to that machine is under way/)
    }))

  it.effect("leaves alone what another client of the program holds, and what is just crossed out", () =>
    Effect.gen(function*() {
      const memory = yield* MemoryBasilica
      const kept = MemoryJournal.make()
      const journal = DeployJournal.of({
        ...kept,
        remove: (key) => Effect.andThen(Effect.sleep("1 second"), kept.remove(key))
      })
      const client = () => clientOf(memory, journal)
      const reconcile = Effect.provide(Deployments.use((deployments) => deployments.reconcile()), client())
      const held = yield* Effect.forkChild(
        Effect.scoped(
          Effect.andThen(Deployments.use((deployments) => deployments.scoped(anywhere)), Effect.sleep("1 minute"))
        ).pipe(Effect.provide(client())),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* reconcile, [])
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.join(held)
      const deployed = yield* Effect.forkChild(
        Effect.provide(Deployments.use((deployments) => deployments.deploy(anywhere)), client()),
        { startImmediately: true }
      )
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(yield* reconcile, [])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(deployed)
      assert.strictEqual((yield* memory.running).length, 1)
    }).pipe(Effect.provide(MemoryBasilica.layerServer())))
})
