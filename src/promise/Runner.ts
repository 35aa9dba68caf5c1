/**
 * Runs effects for people who await promises: one runtime, errors as they are, cancellation by signal.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ConfigurationError } from "../errors/ConfigurationError.ts"
import { NetworkError } from "../errors/NetworkError.ts"
import type { CallOptions } from "./CallOptions.ts"

/** Runs effects that need `R` on one runtime. */
export class Runner<R> {
  readonly #runtime: ManagedRuntime.ManagedRuntime<R, ConfigurationError>
  readonly #running = new Set<Fiber.Fiber<unknown, unknown>>()
  readonly #open = new Set<() => Promise<unknown>>()
  #closed: Promise<void> | undefined
  /** What is done when this was closed. */
  readonly onClosed = new Set<() => void>()

  constructor(layer: Layer.Layer<R, ConfigurationError>) {
    this.#runtime = ManagedRuntime.make(layer)
  }

  /** Runs an effect. Rejects with the very error that it fails with. */
  async run<A, E>(effect: Effect.Effect<A, E, R>, { signal }: CallOptions = {}): Promise<A> {
    signal?.throwIfAborted()
    const fiber = this.#fork(effect)
    const cancel = () => fiber.interruptUnsafe()
    signal?.addEventListener("abort", cancel, { once: true })
    const exit = await exitOf(fiber)
    signal?.removeEventListener("abort", cancel)
    if (Exit.isSuccess(exit)) return exit.value
    throw this.#errorOf(exit.cause, signal)
  }

  /** Runs what needs nothing of the runtime, and may still run while it closes. */
  async finish<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
    const exit = await exitOf(Effect.runFork(effect))
    if (Exit.isSuccess(exit)) return exit.value
    throw this.#errorOf(exit.cause, undefined)
  }

  /** Iterates a stream. Leaving the loop closes its connection, also while it waits for the next element. */
  iterate<A, E>(stream: Stream.Stream<A, E, R>, { signal }: CallOptions = {}): AsyncIterableIterator<A, undefined> {
    const scope = Scope.makeUnsafe()
    const opened = Effect.runSync(Effect.cached(Scope.provide(Stream.toPull(stream), scope)))
    const next = Pull.matchEffect(Effect.flatten(opened), {
      onSuccess: (batch) => Effect.succeed<ReadonlyArray<A> | undefined>(batch),
      onFailure: (cause) => Effect.failCause(cause),
      onDone: () => Effect.undefined
    })

    let batch: ReadonlyArray<A> = []
    let index = 0
    let ended = false
    /** Why it ended before its time: thrown once, so that nobody takes it for the end. */
    let failure: { readonly error: unknown } | undefined
    let waiting: Fiber.Fiber<ReadonlyArray<A> | undefined, E | ConfigurationError> | undefined
    let queue: Promise<unknown> = Promise.resolve()

    const finish = async (reason?: { readonly error: unknown }) => {
      if (ended) return
      ended = true
      failure = reason
      batch = []
      index = 0
      signal?.removeEventListener("abort", abort)
      this.#open.delete(close)
      if (waiting !== undefined) {
        waiting.interruptUnsafe()
        await exitOf(waiting)
      }
      await exitOf(Effect.runFork(Scope.close(scope, Exit.void)))
    }
    const abort = () => finish({ error: signal?.reason })
    const close = () => finish({ error: closed })

    const advance = async (): Promise<IteratorResult<A, undefined>> => {
      while (!ended && index >= batch.length) {
        waiting = this.#fork(next)
        const exit = await exitOf(waiting)
        waiting = undefined
        if (ended) break
        if (Exit.isFailure(exit)) await finish({ error: this.#errorOf(exit.cause, signal) })
        else if (exit.value === undefined) await finish()
        else {
          batch = exit.value
          index = 0
        }
      }
      if (failure !== undefined) {
        const { error } = failure
        failure = undefined
        throw error
      }
      return index < batch.length ? { done: false, value: batch[index++] as A } : { done: true, value: undefined }
    }

    let begun = false
    /** Nothing is held for an iterator that nobody iterates. */
    const begin = () => {
      if (begun || ended) return
      begun = true
      if (signal?.aborted === true) void abort()
      else if (this.#closed !== undefined) void close()
      else {
        this.#open.add(close)
        signal?.addEventListener("abort", abort, { once: true })
      }
    }
    return {
      next: () => {
        if (index < batch.length) return Promise.resolve({ done: false, value: batch[index++] as A })
        begin()
        const result = queue.then(advance)
        queue = result.catch(() => undefined)
        return result
      },
      return: async () => {
        await finish()
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]() {
        return this
      }
    }
  }

  /** Cancels what runs and releases everything. What was deployed and not waited for is stopped first. */
  close(): Promise<void> {
    return this.#closed ??= this.#close()
  }

  async #close(): Promise<void> {
    for (const fiber of this.#running) fiber.interruptUnsafe()
    await Promise.all([...[...this.#open].map((close) => close()), ...[...this.#running].map(exitOf)])
    try {
      await this.#runtime.dispose()
    } finally {
      for (const done of this.onClosed) done()
    }
  }

  #fork<A, E>(effect: Effect.Effect<A, E, R>): Fiber.Fiber<A, E | ConfigurationError> {
    if (this.#closed !== undefined) return Effect.runFork(Effect.fail(closed))
    const fiber = this.#runtime.runFork(effect)
    this.#running.add(fiber)
    fiber.addObserver(() => this.#running.delete(fiber))
    return fiber
  }

  /** The very error of the effect; for an interruption, what caused it. */
  #errorOf(cause: Cause.Cause<unknown>, signal: AbortSignal | undefined): unknown {
    if (!Cause.hasInterruptsOnly(cause)) return Cause.squash(cause)
    return signal?.aborted === true ? signal.reason : cutOff
  }
}

const exitOf = <A, E>(fiber: Fiber.Fiber<A, E>): Promise<Exit.Exit<A, E>> =>
  new Promise((resolve) => fiber.addObserver(resolve))

const cutOff = new NetworkError({
  operation: "BasilicaClient",
  phase: "headers",
  reason: "the client was closed while the call was under way",
  outcome: "unknown"
})

const closed = new ConfigurationError({
  operation: "BasilicaClient",
  problems: [{ field: "client", problem: "is closed; allowed: calls before close(), or a new client" }]
})
