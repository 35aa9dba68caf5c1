/**
 * Runs effects for people who await promises: one runtime, errors as they are, cancellation by signal.
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { isBasilicaError } from "../errors/BasilicaError.ts"
import { ConfigurationError } from "../errors/ConfigurationError.ts"
import { NetworkError } from "../errors/NetworkError.ts"
import { type CallOptions, signalOf } from "./CallOptions.ts"
import { processIsEnding } from "./processEnd.ts"

/** One who waits for the next element. */
interface Waiting<A> {
  readonly resolve: (result: IteratorResult<A, undefined>) => void
  readonly reject: (error: unknown) => void
}

/** Runs effects that need `R` on one runtime. */
export class Runner<R> {
  readonly #runtime: ManagedRuntime.ManagedRuntime<R, ConfigurationError>
  readonly #running = new Set<Fiber.Fiber<unknown, unknown>>()
  readonly #open: Host<R>["open"] = new Set()
  #closed: Promise<void> | undefined
  readonly #host: Host<R> = {
    open: this.#open,
    isClosed: () => this.#closed !== undefined,
    whenClosed: () => this.#whenClosed(),
    fork: (effect) => this.#runtime.runFork(effect)
  }
  /** What is done when this was closed. */
  readonly onClosed = new Set<() => void>()
  /** Each begins to stop what is held: at the beginning of the close, which may have to wait for a deploy for long. */
  readonly held = new Set<() => Fiber.Fiber<void>>()

  constructor(layer: Layer.Layer<R, ConfigurationError>) {
    this.#runtime = ManagedRuntime.make(layer)
  }

  /** Runs an effect. Rejects with the very error that it fails with. */
  async run<A, E>(effect: Effect.Effect<A, E, R>, options?: CallOptions): Promise<A> {
    const signal = signalOf(options)
    if (signal instanceof ConfigurationError) return this.#reject(signal)
    if (signal?.aborted === true) return this.#reject(signal.reason)
    const exit = await exitOf(this.#fork(effect, signal))
    if (Exit.isSuccess(exit)) return exit.value
    const error = errorOf(exit.cause, signal)
    if (error !== signal?.reason && isBasilicaError(error)) sayWhoCalled(error)
    return this.#reject(error)
  }

  /** Runs what needs nothing of the runtime, and may still run while it closes. */
  async finish<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
    const exit = await exitOf(Effect.runFork(effect))
    return Exit.isSuccess(exit) ? exit.value : this.#reject(errorOf(exit.cause, undefined))
  }

  /** Iterates a stream. Leaving the loop closes its connection, also while it waits for the next element. */
  iterate<A, E>(
    stream: Effect.Effect<Stream.Stream<A, E, R>, never, R>,
    options?: CallOptions
  ): AsyncIterableIterator<A, undefined> {
    const signal = signalOf(options)
    return signal instanceof ConfigurationError
      ? new Iteration<A, E, R>(this.#host, Effect.die(signal), undefined)
      : new Iteration(this.#host, stream, signal)
  }

  /**
   * Cancels what runs and releases everything. What was deployed and not waited for is stopped first, and before anybody is
   * told of a call that failed meanwhile: a rejection that nobody handles ends the process.
   */
  close(): Promise<void> {
    // Not at once: whoever is cancelled looks whether it is closed.
    return this.#closed ??= Promise.resolve().then(() => this.#close())
  }

  async #reject(error: unknown): Promise<never> {
    await this.#whenClosed()
    throw error
  }

  /** Waits for the end of what is being closed: this, or all clients where the process was told to end. */
  async #whenClosed(): Promise<void> {
    await Promise.allSettled([this.#closed, processIsEnding()])
  }

  async #close(): Promise<void> {
    for (const fiber of this.#running) fiber.interruptUnsafe()
    await Promise.all([
      ...[...this.held].map((stop) => exitOf(stop())),
      ...[...this.#open].map((iteration) => iteration.close()),
      ...[...this.#running].map(exitOf)
    ])
    const exit = await exitOf(Effect.runFork(this.#runtime.disposeEffect))
    for (const done of this.onClosed) done()
    if (Exit.isSuccess(exit)) return
    // Each may be a machine that runs on.
    const errors = exit.cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
    throw errors.length < 2 ? Cause.squash(exit.cause) : new AggregateError(errors, errors.map(String).join(" "))
  }

  #fork<A, E>(effect: Effect.Effect<A, E, R>, signal?: AbortSignal): Fiber.Fiber<A, E | ConfigurationError> {
    if (this.#closed !== undefined) return Effect.runFork(Effect.fail(closed()))
    const fiber = this.#runtime.runFork(effect, { signal })
    this.#running.add(fiber)
    fiber.addObserver(() => this.#running.delete(fiber))
    return fiber
  }
}

/** What an iteration needs of its runner. */
interface Host<R> {
  /** Those that run: the runner closes them. */
  readonly open: Set<{ close(): Promise<void> }>
  isClosed(): boolean
  /** Ends with what is being closed. */
  whenClosed(): Promise<void>
  fork<A, E>(effect: Effect.Effect<A, E, R>): Fiber.Fiber<A, E | ConfigurationError>
}

/** A class, since thousands of logs may be iterated at once: what an iterator holds while it waits is these fields. */
class Iteration<A, E, R> implements AsyncIterableIterator<A, undefined> {
  readonly #host: Host<R>
  /** What is iterated, until that begins. */
  #stream: Effect.Effect<Stream.Stream<A, E, R>, never, R>
  readonly #signal: AbortSignal | undefined
  #batch: ReadonlyArray<A> = none
  #index = 0
  /** Lets the stream go on; it waits while there is a batch. */
  #goOn: ((effect: Effect.Effect<void>) => void) | undefined
  #fiber: Fiber.Fiber<void, E | ConfigurationError> | undefined
  /** Those who wait for an element, first come first served. */
  readonly #waiting: Array<Waiting<A>> = []
  #ended = false
  /** Why it ended before its time: thrown once, so that nobody takes it for the end. */
  #failure: { readonly error: unknown } | undefined
  #abort: (() => void) | undefined

  constructor(
    host: Host<R>,
    stream: Effect.Effect<Stream.Stream<A, E, R>, never, R>,
    signal: AbortSignal | undefined
  ) {
    this.#host = host
    this.#stream = stream
    this.#signal = signal
  }

  next(): Promise<IteratorResult<A, undefined>> {
    if (this.#index < this.#batch.length) return Promise.resolve(this.#take())
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#begin()
      this.#serve()
    })
  }

  async return(): Promise<IteratorResult<A, undefined>> {
    await this.#finish()
    this.#failure = undefined
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  close(): Promise<void> {
    return this.#finish({ error: closed() })
  }

  /** Nothing is held for an iterator that nobody iterates. */
  #begin(): void {
    const signal = this.#signal
    if (this.#fiber !== undefined || this.#ended) return
    if (signal?.aborted === true) return this.#end({ error: signal.reason })
    if (this.#host.isClosed()) return this.#end({ error: closed() })
    this.#host.open.add(this)
    if (signal !== undefined) {
      this.#abort = () => void this.#finish({ error: signal.reason })
      signal.addEventListener("abort", this.#abort)
    }
    const scope = Scope.makeUnsafe()
    const run = Pull.catchDone(Effect.suspend(() => this.#run(scope)), () => Effect.void)
    this.#fiber = this.#host.fork(Effect.onExit(run, (exit) => Scope.close(scope, exit)))
    this.#fiber.addObserver((exit) => {
      this.#end(Exit.isSuccess(exit) ? undefined : { error: errorOf(exit.cause, signal) })
      this.#serve()
    })
  }

  /** Pulls until nothing comes. While it waits, it holds the pull alone, and nothing of what that was made of. */
  #run(scope: Scope.Scope): Effect.Effect<never, E | Cause.Done, R> {
    const pull = Effect.flatMap(this.#stream, ({ channel }) => Channel.toPullScoped(channel, scope))
    this.#stream = Effect.never
    let next: ReadonlyArray<A> = none
    // In one step, since a fiber may give way to others between two: whoever asks then is not to go before those who wait.
    const handOut = Effect.callback<void>((resume) => {
      this.#batch = next
      this.#index = 0
      this.#goOn = resume
      next = none
      this.#serve()
    })
    const take = (batch: ReadonlyArray<A>) => {
      next = batch
      return handOut
    }
    return Effect.flatMap(pull, (batches) => Effect.forever(Effect.flatMap(batches, take), { disableYield: true }))
  }

  #take(): IteratorResult<A, undefined> {
    const value = this.#batch[this.#index++] as A
    if (this.#index === this.#batch.length) this.#batch = none
    return { done: false, value }
  }

  /** Gives those who wait what there is, and asks for more where that is not enough. */
  #serve(): void {
    while (this.#index < this.#batch.length) {
      const first = this.#waiting.shift()
      if (first === undefined) return
      first.resolve(this.#take())
    }
    if (this.#ended) return this.#dismiss()
    const goOn = this.#goOn
    if (this.#waiting.length === 0 || goOn === undefined) return
    this.#goOn = undefined
    goOn(Effect.void)
  }

  /** Tells those who wait that there is no more, or why; where all is being closed, when that is done. */
  #dismiss(): void {
    const waiting = this.#waiting.splice(0)
    const tell = () => {
      for (const { reject, resolve } of waiting) {
        if (this.#failure === undefined) {
          resolve({ done: true, value: undefined })
        } else {
          reject(this.#failure.error)
          this.#failure = undefined
        }
      }
    }
    if (this.#host.isClosed()) void this.#host.whenClosed().then(tell)
    else tell()
  }

  #end(reason?: { readonly error: unknown }): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = reason
    this.#batch = none
    if (this.#abort !== undefined) this.#signal?.removeEventListener("abort", this.#abort)
    this.#host.open.delete(this)
  }

  async #finish(reason?: { readonly error: unknown }): Promise<void> {
    this.#end(reason)
    this.#fiber?.interruptUnsafe()
    if (this.#fiber !== undefined) await exitOf(this.#fiber)
    this.#serve()
  }
}

const none: ReadonlyArray<never> = []

/** The very error of the effect; for an interruption, what caused it. */
const errorOf = (cause: Cause.Cause<unknown>, signal: AbortSignal | undefined): unknown => {
  if (!Cause.hasInterruptsOnly(cause)) return Cause.squash(cause)
  return signal?.aborted === true ? signal.reason : cutOff()
}

const exitOf = <A, E>(fiber: Fiber.Fiber<A, E>): Promise<Exit.Exit<A, E>> =>
  new Promise((resolve) => fiber.addObserver(resolve))

/** The frames of each error that was rejected, as they were when it was made: one may be rejected more than once. */
const framesOf = new WeakMap<Error, string>()

const v8 = Error as { captureStackTrace?: (holder: object, callee: unknown) => void }

/** Puts the frames of whoever awaits the call in front of the error's own, which know nothing of the program. */
const sayWhoCalled = (error: Error): void => {
  const own = framesOf.get(error) ?? error.stack ?? ""
  const holder: { stack?: string } = {}
  // V8 alone has it. The method is only named.
  // oxlint-disable-next-line typescript/unbound-method
  v8.captureStackTrace?.(holder, Runner.prototype.run)
  // A program may have `Error.prepareStackTrace` make anything of it.
  if (typeof holder.stack !== "string" || typeof own !== "string") return
  const frames = holder.stack.indexOf("\n    at ")
  const start = own.indexOf("\n    at ")
  if (frames === -1 || start === -1) return
  framesOf.set(error, own)
  error.stack = own.slice(0, start) + holder.stack.slice(frames) + own.slice(start)
}

const cutOff = () =>
  new NetworkError({
    operation: "BasilicaClient",
    phase: "headers",
    reason: "the client was closed while the call was under way",
    outcome: "unknown"
  })

const closed = () =>
  new ConfigurationError({
    operation: "BasilicaClient",
    problems: [{ field: "client", problem: "is closed; allowed: calls before close(), or a new client" }]
  })
