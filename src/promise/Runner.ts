/**
 * Runs effects for people who await promises: one runtime, errors as they are, cancellation by signal.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { ConfigurationError } from "../errors/ConfigurationError.ts"
import { NetworkError } from "../errors/NetworkError.ts"
import type { CallOptions } from "./CallOptions.ts"

/** One who waits for the next element. */
interface Waiting<A> {
  readonly resolve: (result: IteratorResult<A, undefined>) => void
  readonly reject: (error: unknown) => void
}

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
    let batch: ReadonlyArray<A> = []
    let index = 0
    /** Lets the stream go on; it waits while there is a batch. */
    let goOn: (() => void) | undefined
    let fiber: Fiber.Fiber<void, E | ConfigurationError> | undefined
    /** Those who wait for an element, first come first served. */
    const waiting: Array<Waiting<A>> = []
    let ended = false
    /** Why it ended before its time: thrown once, so that nobody takes it for the end. */
    let failure: { readonly error: unknown } | undefined

    /** Gives those who wait what there is, and asks for more where that is not enough. */
    const serve = () => {
      while (index < batch.length) {
        const first = waiting.shift()
        if (first === undefined) return
        first.resolve({ done: false, value: batch[index++] as A })
      }
      if (!ended) {
        if (waiting.length > 0) goOn?.()
        return
      }
      for (const { reject, resolve } of waiting.splice(0)) {
        if (failure === undefined) {
          resolve({ done: true, value: undefined })
        } else {
          reject(failure.error)
          failure = undefined
        }
      }
    }
    const hand = (elements: ReadonlyArray<A>) =>
      Effect.callback<void>((resume) => {
        batch = elements
        index = 0
        goOn = () => {
          goOn = undefined
          resume(Effect.void)
        }
        serve()
      })
    const end = (reason?: { readonly error: unknown }) => {
      if (ended) return
      ended = true
      failure = reason
      batch = []
      signal?.removeEventListener("abort", abort)
      this.#open.delete(close)
    }
    const finish = async (reason?: { readonly error: unknown }) => {
      end(reason)
      fiber?.interruptUnsafe()
      if (fiber !== undefined) await exitOf(fiber)
      serve()
    }
    const abort = () => finish({ error: signal?.reason })
    const close = () => finish({ error: closed })

    /** Nothing is held for an iterator that nobody iterates. */
    const begin = () => {
      if (fiber !== undefined || ended) return
      if (signal?.aborted === true) return end({ error: signal.reason })
      if (this.#closed !== undefined) return end({ error: closed })
      this.#open.add(close)
      signal?.addEventListener("abort", abort, { once: true })
      fiber = this.#runtime.runFork(Stream.runForEachArray(stream, hand))
      fiber.addObserver((exit) => {
        end(Exit.isSuccess(exit) ? undefined : { error: this.#errorOf(exit.cause, signal) })
        serve()
      })
    }
    return {
      next: () => {
        if (index < batch.length) return Promise.resolve({ done: false, value: batch[index++] as A })
        return new Promise((resolve, reject) => {
          waiting.push({ resolve, reject })
          begin()
          serve()
        })
      },
      return: async () => {
        await finish()
        failure = undefined
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
