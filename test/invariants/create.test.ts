import { assert, describe, it } from "@effect/vitest"
import { Deployments } from "basilica-sdk"
import { type Fault, FaultScript } from "basilica-sdk/testing"
import { Cause, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { config, operations } from "../faults/Operations.ts"
import { client, direct, world } from "../faults/World.ts"
import { onMachineTime } from "../support/MachineTime.ts"
import { type Chance, chanceOf, patience, replay, size } from "../support/Scale.ts"

const ends = ["reset", "close", "stall"] as const
const pick = <A>(random: Chance, from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)] as A

/** A fault at any point of a request and its reply. */
const anyFault = (random: Chance): Fault => {
  const end = pick(random, ends)
  switch (Math.floor(random() * 6)) {
    case 0:
      return { after: pick(random, ["head", "body", "work"] as const), end }
    case 1:
      return { after: "work", cut: { head: Math.floor(random() * 150) }, end }
    case 2:
      return { after: "work", cut: { body: Math.floor(random() * 400) }, end }
    case 3:
      return {
        after: pick(random, ["body", "work"] as const),
        reply: { status: pick(random, [408, 500, 502, 503, 504]) }
      }
    case 4:
      return {
        after: pick(random, ["body", "work"] as const),
        reply: { status: 200, body: pick(random, ["<html>", "{}", "[1"]) }
      }
    default:
      return { after: "work", wire: { before: "\0".repeat(Math.ceil(random() * 20)) } }
  }
}

const deployMillis = 900

describe(`I1: no second POST after an unknown outcome, and no wrong word about it (${size(1000, 10_000)} deploys)`, () => {
  it.live("holds at any point of failure", () =>
    Effect.forEach(
      Array.from({ length: size(1000, 10_000) }, (_, index) => index),
      Effect.fnUntraced(function*(index) {
        const random = chanceOf(index)
        const fault = anyFault(random)
        const { faults, front, memory } = yield* world(new FaultScript([{ on: "POST /rentals", fault }]))
        const exit = yield* Effect.exit(
          Effect.provide(
            Deployments.use((all) => all.deploy(config)),
            client(front.url, memory, { deployTimeout: deployMillis })
          )
        )
        const [sends, creates, running] = [
          faults.count("POST /rentals"),
          (yield* memory.creates).length,
          (yield* memory.running).length
        ]
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        const tag = error === undefined ? "ok" : (error as { readonly _tag?: string })._tag
        const what = `${JSON.stringify({ fault, tag, sends, creates, running })}; ${replay(index)}`
        assert.strictEqual(sends, 1, what)
        assert.isAtMost(creates, 1, what)
        if (tag === "ok") assert.strictEqual(running, 1, what)
        else if (tag === "DeployOutcomeUnknown") assert.strictEqual(creates, running, what)
        else assert.strictEqual(running, 0, what)
      }, Effect.scoped),
      { concurrency: 24, discard: true }
    ).pipe((all) => onMachineTime(all, 3)), patience)
})

describe(`I2: no listed rental is left after an interruption (${size(200, 2000)} of them)`, () => {
  it.live("holds at any time from the deploy to the end of the scope", () =>
    Effect.forEach(
      Array.from({ length: size(200, 2000) }, (_, index) => index),
      Effect.fnUntraced(function*(index) {
        const random = chanceOf(index)
        // All of it within a tenth of a second, so that any moment of it is met as often as in two seconds.
        const span = 100
        const { front, memory } = yield* world(new FaultScript(), {
          program: { answersAfter: random() * span / 2, startsAfter: random() * span / 4 }
        })
        const services = yield* Scope.make()
        const context = yield* Layer.buildWithScope(client(front.url, memory), services)
        const running = yield* Effect.forkChild(
          Effect.scoped(Effect.gen(function*() {
            const deployments = yield* Deployments
            const { id } = yield* deployments.scoped(config)
            yield* deployments.waitUntilRunning(id, { interval: 10 })
            yield* Effect.sleep(random() * span / 4)
          })).pipe(Effect.provide(context)),
          { startImmediately: true }
        )
        yield* Effect.sleep(random() * span)
        yield* Fiber.interrupt(running)
        yield* Scope.close(services, Exit.void)
        assert.lengthOf(yield* memory.running, 0, replay(index))
        const listed = yield* Effect.provide(Deployments.use((all) => all.list()), direct(memory))
        assert.lengthOf(listed.items, 0, replay(index))
      }, Effect.scoped),
      { concurrency: 16, discard: true }
    ).pipe(onMachineTime), patience)
})

describe(`I4: a stop is confirmed, or loud (${size(500, 5000)} stops with faults)`, () => {
  it.live("holds at any point of failure", () =>
    Effect.forEach(
      Array.from({ length: size(500, 5000) }, (_, index) => index),
      Effect.fnUntraced(function*(index) {
        const random = chanceOf(index)
        const rules = ["DELETE /rentals", "GET /rentals"].flatMap((on) =>
          random() < 0.7
            ? [{ on, fault: anyFault(random), skip: 0, times: 1 + Math.floor(random() * 4) }]
            : []
        )
        const { faults, front, memory } = yield* world(new FaultScript())
        const { id } = yield* Effect.provide(Deployments.use((all) => all.deploy(config)), direct(memory))
        for (const rule of rules) faults.add(rule)
        const exit = yield* Effect.exit(Effect.provide(
          Effect.suspend(() => operations["stop"]?.run(id) ?? Effect.void),
          client(front.url, memory, { timeout: 600 })
        ))
        const left = (yield* memory.running).length
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        const tag = error === undefined ? "ok" : (error as { readonly _tag?: string })._tag
        const what = `${JSON.stringify({ rules, tag, left })}; ${replay(index)}`
        assert.include(["ok", "StopUnconfirmed"], tag, what)
        if (tag === "ok") assert.strictEqual(left, 0, what)
      }, Effect.scoped),
      { concurrency: 24, discard: true }
    ).pipe((all) => onMachineTime(all, 3)), patience)
})
