import type { Fault } from "./Fault.ts"

/** Which requests a fault meets. */
export interface FaultRule {
  readonly fault: Fault
  /** The method and the beginning of the path, such as `POST /rentals`, or `GET` alone. Default: every request. */
  readonly on?: string | undefined
  /** How many it lets pass first. Default: 0. */
  readonly skip?: number | undefined
  /** How many it meets. Default: all that come. */
  readonly times?: number | undefined
}

/** A request that came in, and the fault that it met. */
export interface SeenRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly fault: Fault | undefined
}

/** Options of {@link FaultScript}. */
export interface FaultScriptOptions {
  /** Called when a fault has happened: when the connection was broken, or the reply begins to go out of order. */
  readonly onFault?: ((fault: Fault) => void) | undefined
}

/**
 * Which faults meet which requests, and what came in: a faulty service's plan and memory. The first rule that fits a
 * request meets it.
 *
 * @example
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import { Deployments } from "basilica-sdk"
 * import { FaultScript, MemoryBasilica } from "basilica-sdk/testing"
 * import * as Effect from "effect/Effect"
 *
 * it.effect("has one machine after a deploy whose reply was lost", () => {
 *   const faults = new FaultScript([{ on: "POST /rentals", times: 1, fault: { after: "work", end: "reset" } }])
 *   return Effect.gen(function*() {
 *     const deployments = yield* Deployments
 *     const { reconciled } = yield* deployments.deploy({ gpu: {}, image: "acme/train:1", noSsh: true })
 *     assert.isTrue(reconciled)
 *     assert.strictEqual(faults.count("POST /rentals"), 1)
 *     assert.lengthOf(yield* MemoryBasilica.use((memory) => memory.running), 1)
 *   }).pipe(Effect.provide(MemoryBasilica.layer({ faults })))
 * })
 * ```
 */
export class FaultScript {
  readonly #rules: Array<{ readonly rule: FaultRule; passed: number; met: number }> = []
  readonly #seen: Array<SeenRequest> = []
  readonly #options: FaultScriptOptions

  constructor(rules: ReadonlyArray<FaultRule> = [], options: FaultScriptOptions = {}) {
    for (const rule of rules) this.add(rule)
    this.#options = options
  }

  /** Adds a rule behind the others. Throws a `TypeError` at an `on` that no request can fit. */
  add(rule: FaultRule): void {
    if (rule.on !== undefined) checkOn(rule.on)
    this.#rules.push({ rule, passed: 0, met: 0 })
  }

  /** Drops all rules: from now on the service is a good one. */
  clear(): void {
    this.#rules.length = 0
  }

  /** What came in, oldest first. A request that was cut off before its head was read is not among it. */
  get requests(): ReadonlyArray<SeenRequest> {
    return this.#seen
  }

  /** How many requests came in of this kind, such as `POST /rentals`. Throws a `TypeError` at what no request can fit. */
  count(on: string): number {
    checkOn(on)
    return this.#seen.filter((one) => fits(on, one.method, one.path)).length
  }

  /** For who plays the service: the fault for a connection that was made, before anything is read of it. */
  onConnection(): Fault | undefined {
    return this.#next((rule) => rule.fault.after === "accept")
  }

  /** For who plays the service: the fault for a request whose head was read. */
  onRequest(method: string, path: string, reused = true): Fault | undefined {
    const fault = this.#next(({ fault: { after, reused: only }, on }) =>
      after !== "accept" && (on === undefined || fits(on, method, path)) && (only !== true || reused)
    )
    this.#seen.push({ method, path, fault })
    return fault
  }

  /** For who plays the service: a fault has happened. */
  happened(fault: Fault): void {
    this.#options.onFault?.(fault)
  }

  #next(accepts: (rule: FaultRule) => boolean): Fault | undefined {
    for (const one of this.#rules) {
      if (one.met >= (one.rule.times ?? Number.POSITIVE_INFINITY) || !accepts(one.rule)) continue
      if (one.passed < (one.rule.skip ?? 0)) {
        one.passed++
        continue
      }
      one.met++
      return one.rule.fault
    }
    return undefined
  }
}

const checkOn = (on: string): void => {
  if (/^[A-Z]+( \/[^{}]*)?$/.test(on)) return
  throw new TypeError(
    `No request fits "${on}". Give a method and the beginning of a path, such as "DELETE /rentals/", or a method.`
  )
}

const fits = (on: string, method: string, path: string): boolean => {
  const [wantedMethod, wantedPath = ""] = on.split(" ")
  return method === wantedMethod && path.startsWith(wantedPath)
}
