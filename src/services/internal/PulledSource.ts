import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type { Chunks, ChunkSource } from "../ChunkSource.ts"

/** The body of a transport that gives a stream: pulled by a fiber of its own, one pull at a time, until the scope closes. */
export class PulledSource<E> implements ChunkSource<E> {
  readonly #pull: Effect.Effect<Chunks | "end", E>
  #read: Exit.Exit<Chunks | "end", E> | undefined
  #pulling: Fiber.Fiber<Chunks | "end", E> | undefined
  #listener: (() => void) | undefined

  readonly #run: (pull: Effect.Effect<Chunks | "end", E>) => Fiber.Fiber<Chunks | "end", E>

  private constructor(pull: Pull.Pull<Chunks, E>, context: Context.Context<never>) {
    this.#pull = Pull.catchDone(pull, () => Effect.succeed("end" as const))
    this.#run = Effect.runForkWith(context)
  }

  static make<E>(pull: Pull.Pull<Chunks, E>, scope: Scope.Scope): Effect.Effect<PulledSource<E>> {
    return Effect.contextWith((context: Context.Context<never>) => {
      const source = new PulledSource(pull, context)
      return Effect.as(Scope.addFinalizer(scope, Effect.suspend(() => source.#close)), source)
    })
  }

  read(): Exit.Exit<Chunks | "end", E> | undefined {
    const read = this.#read
    this.#read = undefined
    return read
  }

  onReadable(listener: (() => void) | undefined): void {
    this.#listener = listener
    if (listener === undefined || this.#pulling !== undefined) return
    this.#pulling = this.#run(this.#pull)
    this.#pulling.addObserver((exit) => {
      this.#pulling = undefined
      this.#read = exit
      const listener = this.#listener
      this.#listener = undefined
      listener?.()
    })
  }

  abandon(): void {
    this.#pulling?.interruptUnsafe()
  }

  get #close(): Effect.Effect<void> {
    return this.#pulling === undefined ? Effect.void : Fiber.interrupt(this.#pulling)
  }
}
