import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type { Dispatcher } from "undici"

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

/** How many bytes wait here before the connection has to: what was asked for is on its way while they are read. */
const highWater = 128 * 1024

const givenUp = new Error("The request was given up")

/**
 * One request and its reply, as undici tells of them: the head, and then the body, whose chunks wait here until somebody
 * asks for them. Nobody who asks makes the connection wait.
 *
 * Undici tells what it reads from the socket piece by piece; whoever waits hears of it once, when all of that is here.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** 0 until the head of the reply is here. */
  status = 0
  headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined } = {}
  readonly #onStart: () => void
  #controller: Dispatcher.DispatchController | undefined
  #chunks: Array<Uint8Array> = []
  #bytes = 0
  #end: { readonly error?: Error } | undefined
  #abandoned = false
  #waiting: (() => void) | undefined

  /** `onStart` is told when the request has a connection and begins to be written. */
  constructor(onStart: () => void) {
    this.#onStart = onStart
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#abandoned) controller.abort(givenUp)
    else this.#onStart()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
  ): void {
    if (status < 200) return
    this.status = status
    this.headers = headers
    this.#wake()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes >= highWater) controller.pause()
    this.#wake()
  }

  onResponseEnd(): void {
    this.#end = {}
    this.#wake()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#end ??= { error }
    this.#wake()
  }

  /** Gives the request up: its connection is closed, unless all of the reply has come. */
  readonly abandon = (): void => {
    this.#abandoned = true
    this.#chunks = []
    if (this.#end === undefined) this.#controller?.abort(givenUp)
  }

  /** Waits for the head of the reply. Who stops waiting gives the request up. */
  readonly head: Effect.Effect<void, Error> = Effect.suspend(() => {
    if (this.status !== 0) return Effect.void
    if (this.#end?.error !== undefined) return Effect.fail(this.#end.error)
    return Effect.flatMap(this.#change(this.abandon), () => this.head)
  })

  /** The next bytes of the body. Waiting for them can be given up, and taken up again. */
  readonly pull: Pull.Pull<Chunks, Error> = Effect.filterOrElse(
    this.#next(nothing),
    (chunks) => chunks !== undefined,
    () => Cause.done()
  )

  /** Hands out the whole body, chunk by chunk; the request is given up where one is not taken, or nobody waits any more. */
  eachChunk(take: (chunk: Uint8Array) => boolean): Effect.Effect<void, Error> {
    const next = this.#next(this.abandon)
    const rest: Effect.Effect<void, Error> = Effect.flatMap(next, (chunks) => {
      if (chunks === undefined) return Effect.void
      return chunks.every(take) ? rest : Effect.sync(this.abandon)
    })
    return rest
  }

  /** The next chunks; `undefined` where there are no more. */
  #next(whenInterrupted: () => void): Effect.Effect<Chunks | undefined, Error> {
    const next: Effect.Effect<Chunks | undefined, Error> = Effect.suspend(() => {
      if (this.#abandoned) return Effect.fail(givenUp)
      // First what has come: to take it lets the connection go on, which may bring more, and the end, at once.
      const chunks = this.#take()
      if (Arr.isReadonlyArrayNonEmpty(chunks)) return Effect.succeed(chunks)
      if (this.#end === undefined) return Effect.flatMap(this.#change(whenInterrupted), () => next)
      return this.#end.error === undefined ? Effect.undefined : Effect.fail(this.#end.error)
    })
    return next
  }

  #take(): Array<Uint8Array> {
    const chunks = this.#chunks
    if (chunks.length === 0) return chunks
    this.#chunks = []
    this.#bytes = 0
    this.#controller?.resume()
    return chunks
  }

  /** Waits until something has come. */
  #change(whenInterrupted: () => void): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.#waiting = () => resume(Effect.void)
      return Effect.sync(() => {
        this.#waiting = undefined
        whenInterrupted()
      })
    })
  }

  #wake(): void {
    if (this.#waiting === undefined) return
    queueMicrotask(this.#waiting)
    this.#waiting = undefined
  }
}

const nothing = () => {}
