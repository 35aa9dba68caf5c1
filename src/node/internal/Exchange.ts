import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Dispatcher } from "undici"
import type { Chunks, ChunkSource } from "../../services/ChunkSource.ts"

/** How many bytes wait here before the connection has to: what was asked for is on its way while they are read. */
const highWater = 128 * 1024

const givenUp = new Error("The request was given up")
const headless = new Error("The reply ended before its head")
const end = Exit.succeed("end" as const)

/** The head of a reply. */
export interface Head {
  readonly status: number
  readonly headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
}

/**
 * One request and its reply, as undici tells of them: the head, and then the body, whose chunks wait here until somebody
 * asks for them. Nobody who asks makes the connection wait.
 *
 * Undici tells what it reads from the socket piece by piece; whoever waits hears of it once, when all of that is here.
 */
export class Exchange implements Dispatcher.DispatchHandler, ChunkSource<Error> {
  /** Until somebody takes it: a followed log holds the rest for hours. */
  #head: Head | undefined
  #onStart: (() => void) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #chunks: Array<Uint8Array> = []
  #bytes = 0
  #end: Exit.Exit<"end", Error> | undefined
  #abandoned = false
  #listener: (() => void) | undefined
  #waking = false

  /** `onStart` is told when the request has a connection and begins to be written. */
  constructor(onStart: () => void) {
    this.#onStart = onStart
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#abandoned) controller.abort(givenUp)
    else this.#onStart?.()
    this.#onStart = undefined
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Head["headers"]
  ): void {
    if (status < 200) return
    this.#head = { status, headers }
    // Undici keeps these for as long as the body lasts: a twentieth of what a followed log holds.
    controller.rawHeaders = null
    this.#wake()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes >= highWater) controller.pause()
    this.#wake()
  }

  onResponseEnd(): void {
    this.#end = end
    this.#wake()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#end ??= Exit.fail(error)
    this.#wake()
  }

  /** Gives the request up: its connection is closed, unless all of the reply has come. */
  readonly abandon = (): void => {
    this.#abandoned = true
    this.#chunks = []
    if (this.#end === undefined) this.#controller?.abort(givenUp)
  }

  /** Waits for the head of the reply, and takes it: once. Who stops waiting gives the request up. */
  takeHead(): Effect.Effect<Head, Error> {
    return Effect.callback((resume) => {
      const look = () => {
        if (this.#head !== undefined) resume(Effect.succeed(this.#head))
        else if (this.#end === undefined) return this.onReadable(look)
        else resume(Effect.andThen(this.#end, Exit.fail(headless)))
        this.#head = undefined
      }
      look()
      return Effect.sync(this.abandon)
    })
  }

  read(): Exit.Exit<Chunks | "end", Error> | undefined {
    if (this.#abandoned) return Exit.fail(givenUp)
    // First what has come: to take it lets the connection go on, which may bring more, and the end, at once.
    const chunks = this.#chunks
    if (!Arr.isArrayNonEmpty(chunks)) return this.#end
    this.#chunks = []
    this.#bytes = 0
    this.#controller?.resume()
    return Exit.succeed(chunks)
  }

  onReadable(listener: (() => void) | undefined): void {
    this.#listener = listener
  }

  /** In a turn of its own, when all that was read with it is here; unless nobody listens any more by then. */
  #wake(): void {
    if (this.#listener === undefined || this.#waking) return
    this.#waking = true
    queueMicrotask(() => {
      this.#waking = false
      const listener = this.#listener
      this.#listener = undefined
      listener?.()
    })
  }
}
