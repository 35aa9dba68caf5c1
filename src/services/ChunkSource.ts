import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"
import type * as Pull from "effect/Pull"

/** Bytes of a body as they come. */
export type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

/**
 * A body that is read without a stream and a fiber: they cost as much as all the rest of a small call, and thousands of
 * logs that wait for their next line hold them all that time.
 */
export interface ChunkSource<E> {
  /** What has come, `"end"` behind all of it, or why there is no more; `undefined` while there is nothing. */
  read(): Exit.Exit<Chunks | "end", E> | undefined
  /**
   * Calls the listener once, when something comes. There is one listener at a time. Who waits has to {@link read} in the
   * same turn of the event loop first: what came before is not told again.
   */
  onReadable(listener: (() => void) | undefined): void
  /** Gives the rest up: the connection is closed, unless all of it has come. */
  abandon(): void
}

/** The next bytes. Waiting for them can be given up, and taken up again. */
export const next = <E>(source: ChunkSource<E>): Effect.Effect<Chunks | "end", E> => {
  const effect: Effect.Effect<Chunks | "end", E> = Effect.suspend(() =>
    source.read() ?? Effect.callback((resume) => {
      // Once more: a fiber may give way to others before it comes here.
      const read = source.read()
      if (read !== undefined) return resume(read)
      // Read when the fiber goes on: one that was interrupted meanwhile leaves what has come.
      source.onReadable(() => resume(effect))
      return Effect.sync(() => source.onReadable(undefined))
    })
  )
  return effect
}

/** As {@link next}, for a stream. */
export const pull = <E>(source: ChunkSource<E>): Pull.Pull<Chunks, E> =>
  Effect.filterOrElse(next(source), (chunks) => chunks !== "end", () => Cause.done())

/** Hands out the whole body, chunk by chunk; it is given up where one is not taken, or nobody waits any more. */
export const eachChunk = <E>(source: ChunkSource<E>, take: (chunk: Uint8Array) => boolean): Effect.Effect<void, E> => {
  const some = next(source)
  const rest: Effect.Effect<void, E> = Effect.flatMap(some, (chunks) => {
    if (chunks === "end") return Effect.void
    return chunks.every(take) ? rest : Effect.sync(() => source.abandon())
  })
  return Effect.onInterrupt(rest, () => Effect.sync(() => source.abandon()))
}

/** The key of a {@link WithChunks}. */
export const chunks: unique symbol = Symbol.for("basilica-sdk/services/ChunkSource")

/** A response whose body can be read so. The source fails with the bare cause, and outlives the response and its request. */
export interface WithChunks extends HttpClientResponse.HttpClientResponse {
  readonly [chunks]: ChunkSource<Error>
}

/** The error of a body that broke off, or is none of what was asked for. */
export const bodyError = (
  response: HttpClientResponse.HttpClientResponse,
  cause: unknown
): HttpClientError.HttpClientError =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.DecodeError({ request: response.request, response, cause })
  })

/** Whether the body of a response can be read without a stream. */
export const hasChunks = (response: HttpClientResponse.HttpClientResponse): response is WithChunks =>
  Predicate.hasProperty(response, chunks)
