import { Health } from "basilica-sdk"
import { FaultScript } from "basilica-sdk/testing"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { inspect } from "node:util"
import type { Detours } from "./Detours.ts"
import { type Kind, usesConnectionAgain } from "./kinds.ts"
import { leaving } from "./leaving.ts"
import { canary, type Operation } from "./Operations.ts"
import { before, client, credentials, program, world } from "./World.ts"

/** When a fault happens: at the first attempt, at all, or at all with an interruption 5 ms after the first. */
export type Way = "first" | "all" | "interrupt"

/** What came of one run of a cell. */
export interface Outcome {
  /** The tag of the error, `ok`, `interrupted`, or `open` where it had not ended long after the deadline. */
  readonly tag: string
  readonly sends: number
  readonly millis: number
  /** What must not be, in words. */
  readonly offences: ReadonlyArray<string>
}

/** The deadline of a call in the matrix, in milliseconds. */
const callDeadline = 1500

/** That of a deploy, of which a ninth is kept for looking. */
const deployDeadline = 4500

/** How long after its deadline a call may end, in milliseconds. */
const slack = 400

/** Runs an operation with a fault in a world of its own, and looks what is left. Time is the `Clock`, on both sides of the wire. */
export const runCell = (operation: Operation, kind: Kind, way: Way, detours: Detours) =>
  Effect.map(leaving(Effect.scoped(cell(operation, kind, way, detours))), ([outcome, { fibers, timers }]) => ({
    ...outcome,
    offences: [
      ...outcome.offences,
      ...(fibers > 0 ? [`${fibers} fibers go on`] : []),
      ...(timers > 0 ? [`${timers} timers go on`] : [])
    ]
  }))

const cell = (operation: Operation, kind: Kind, way: Way, detours: Detours) =>
  Effect.gen(function*() {
    const offences: Array<string> = []
    let wake = () => {}
    const happened = new Promise<void>((resolve) => wake = resolve)
    const faults = new FaultScript([], { onFault: () => wake() })
    const { front, memory } = yield* world(faults, {
      program: operation.ends === true ? { ...program, exits: true } : program,
      // Without it a reply that is lost after the work is the end of a sign-in.
      refreshOverlap: "1 hour"
    })
    const id = yield* before(memory, operation)
    const on = operation.on(id)
    const worksBefore = (yield* memory.creates).length
    const times = way === "first" ? 1 : Number.POSITIVE_INFINITY
    const http = "detour" in kind
      ? {
        connect: detours.connector(kind.detour, (count) => {
          setImmediate(wake)
          return count <= times
        })
      }
      : usesConnectionAgain(kind)
      ? { connections: 1 }
      : {}
    if ("fault" in kind) {
      faults.add({ fault: kind.fault, on, times: kind.fault.name === "401 once" ? 1 : times })
    }

    // Where much is moved, the machine is the limit.
    const factor = "fault" in kind && kind.fault.name === "100 MiB" ? 5 : operation.patience ?? 1
    const deadline = (on === "POST /rentals" ? deployDeadline : callDeadline) * factor
    const options = {
      timeout: callDeadline * factor,
      deployTimeout: deployDeadline * factor,
      ...credentials(operation, memory, front.url)
    }
    const services = yield* Scope.make()
    const context = yield* Layer.buildWithScope(client(front.url, memory, options, http), services)
    if (usesConnectionAgain(kind)) {
      yield* Effect.provide(Health.use((health) => health.check), context)
      // The connection is free for another request a moment after its last byte.
      yield* Effect.sleep(20)
    }
    const sentBefore = faults.count(on)

    const start = yield* Clock.currentTimeMillis
    const running = yield* Effect.forkChild(Effect.provide(operation.run(id), context), { startImmediately: true })
    let interruptedAt = Number.NaN
    if (way === "interrupt") {
      yield* Effect.raceFirst(Effect.promise(() => happened), Fiber.await(running))
      yield* Effect.sleep(5)
      interruptedAt = yield* Clock.currentTimeMillis
      yield* Fiber.interrupt(running)
    }
    const isOpen = Option.isNone(yield* Effect.timeoutOption(Fiber.await(running), deadline * 1.1 + slack))
    if (isOpen) yield* Fiber.interrupt(running)
    const exit = yield* Fiber.await(running)
    const end = yield* Clock.currentTimeMillis
    const failure = Exit.isFailure(exit) ? exit.cause : undefined
    const tag = isOpen
      ? "open"
      : failure === undefined
      ? "ok"
      : Cause.hasInterruptsOnly(failure)
      ? "interrupted"
      : tagOf(Cause.squash(failure))

    if (failure !== undefined && Cause.hasDies(failure)) offences.push(`a defect: ${Cause.pretty(failure)}`)
    if (way === "interrupt" && end - interruptedAt > slack) {
      offences.push(`interrupting took ${Math.round(end - interruptedAt)} ms`)
    }
    if (!isOpen && end - start > deadline * 1.1 + slack) offences.push(`took ${Math.round(end - start)} ms`)
    if (failure !== undefined) {
      const error = Cause.squash(failure)
      const texts = [String(error), inspect(error, { depth: Infinity, showHidden: true }), JSON.stringify(error)]
      const refreshTokens = memory.tenants.map(({ tokens }) => Redacted.value(tokens.refreshToken))
      for (const secret of [Redacted.value(memory.token), ...refreshTokens, canary]) {
        if ([...texts, Cause.pretty(failure)].some((text) => text?.includes(secret))) offences.push("shows a secret")
      }
    }

    // What is left behind, once the client is closed.
    const closed = yield* Effect.exit(Scope.close(services, Exit.void))
    // A deploy that was given up and whose outcome is not known must not pass in silence.
    if (
      Exit.isFailure(closed) && !(tag === "interrupted" && tagOf(Cause.squash(closed.cause)) === "DeployOutcomeUnknown")
    ) {
      offences.push(`closing failed: ${Cause.pretty(closed.cause)}`)
    }
    const closing = (yield* Clock.currentTimeMillis) - end
    const longest = operation.goesOnFor ?? deadline
    if (closing > longest * 1.1 + slack) offences.push(`closing took ${Math.round(closing)} ms`)
    const sends = faults.count(on) - sentBefore
    const creates = (yield* memory.creates).length - worksBefore
    const left = (yield* memory.running).length
    if (on === "POST /rentals") {
      if (faults.count("POST /rentals") > 1) offences.push("sent a create twice")
      const allowed = tag === "ok" ? 1 : tag === "DeployOutcomeUnknown" ? creates : 0
      if (left !== allowed) offences.push(`${left} left running after ${tag}`)
    }
    if (on.startsWith("DELETE /rentals") && tag === "ok" && left > 0) offences.push("stopped, and runs on")
    const open = yield* Effect.repeat(Effect.delay(front.connections, "2 millis"), {
      until: (count) => count === 0,
      times: 500
    })
    if (open > 0) offences.push(`${open} connections stay open`)
    return { tag, sends, millis: Math.round(end - start), offences } satisfies Outcome
  })

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)
