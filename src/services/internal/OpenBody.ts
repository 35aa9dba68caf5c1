/**
 * The body of a reply that is read as it comes, for as long as it takes.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidResponse } from "../../errors/InvalidResponse.ts"
import type { NetworkError } from "../../errors/NetworkError.ts"
import { oneLine } from "../../schema/oneLine.ts"
import { reasonLimit } from "../../schema/wire/ErrorBody.ts"
import { type Chunks, chunks, type ChunkSource, hasChunks } from "../ChunkSource.ts"
import type { OpenReply } from "../Transport.ts"
import { fromTransport, readRequestId } from "./Failure.ts"
import { withoutTokenOf } from "./withoutToken.ts"

/** Lets the connection go: whoever stops reading closes it. */
export const discard = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.raceFirst(Effect.ignore(Stream.runDrain(response.stream)), Effect.yieldNow)

/**
 * The head of a stream. It outlives its call by hours, and there may be thousands: where the transport gives chunks, it
 * holds nothing of the call.
 */
export const openReply = (
  operation: string,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<OpenReply, InvalidResponse, Scope.Scope> => {
  const hide = withoutTokenOf(response)
  const coding = response.headers["content-encoding"] ?? "identity"
  // Only `fetch` decodes by itself, and leaves the header. No coding was asked for.
  if (hasChunks(response) && !/^\s*(identity)?\s*$/i.test(coding)) {
    const reason = `the body is in a coding that was not asked for, "${oneLine(hide(coding), 64)}"`
    const { status } = response
    return Effect.fail(
      new InvalidResponse({ operation, reason, status, outcome: "none", requestId: readRequestId(response) })
    )
  }
  const head = {
    status: response.status,
    contentType: oneLine(hide(response.headers["content-type"] ?? ""), 256),
    date: parseDate(response.headers["date"]),
    showable: showableWith(hide)
  }
  const failed = (error: HttpClientError.HttpClientError) => fromTransport(operation, error, "body", false)
  if (hasChunks(response)) {
    const source = new OpenBody(operation, response.request.url, response[chunks])
    return Effect.as(abandonWithScope(source), {
      ...head,
      body: Stream.mapError(response.stream, failed),
      chunks: source
    })
  }
  let read = false
  const bytes = Stream.suspend(() => {
    read = true
    return response.stream
  })
  const body = Stream.catch(
    bytes,
    (error) => error.reason._tag === "EmptyBodyError" ? Stream.empty : Stream.fail(failed(error))
  )
  return Effect.as(Effect.addFinalizer(() => read ? Effect.void : discard(response)), { ...head, body })
}

/** The finalizer is held for as long as the log is followed, and holds the source alone: `Effect.addFinalizer` keeps a context. */
const abandonWithScope = (source: OpenBody): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizer(scope, Effect.sync(() => source.abandon())))

const showableWith = (hide: (words: string) => string) => (words: string): string => oneLine(hide(words), reasonLimit)

class OpenBody implements ChunkSource<NetworkError> {
  readonly #operation: string
  readonly #url: string
  readonly #source: ChunkSource<Error>

  constructor(operation: string, url: string, source: ChunkSource<Error>) {
    this.#operation = operation
    this.#url = url
    this.#source = source
  }

  read(): Exit.Exit<Chunks | "end", NetworkError> | undefined {
    const read = this.#source.read()
    return read && Exit.mapError(read, (cause) => {
      const failure = { reason: { cause }, request: { url: this.#url } }
      return fromTransport(this.#operation, failure, "body", false)
    })
  }

  onReadable(listener: (() => void) | undefined): void {
    this.#source.onReadable(listener)
  }

  abandon(): void {
    this.#source.abandon()
  }
}

const parseDate = (header: string | undefined): number | undefined => {
  const millis = Date.parse(header ?? "")
  return Number.isNaN(millis) ? undefined : millis
}
