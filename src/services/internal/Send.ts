/**
 * How requests leave: no redirect is followed, no trace header goes along, and no body is read without a bound.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import { CallProgress } from "../CallProgress.ts"
import { bodyError, chunks, eachChunk, hasChunks } from "../ChunkSource.ts"
import { ByteBuffer } from "./ByteBuffer.ts"
import { isTraced } from "./tracing.ts"

/**
 * Sends once, and writes down how far that has come. No redirect is followed by any fetch, and no trace header leaves for a service
 * that is not the user's own.
 */
export const sendWith = (http: HttpClient.HttpClient) =>
(
  request: HttpClientRequest.HttpClientRequest,
  progress: CallProgress | undefined
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
  Effect.withFiber((fiber) => {
    const own = Context.getOrUndefined(fiber.context, FetchHttpClient.RequestInit)
    const init = own === undefined ? noRedirect : { ...own, ...noRedirect }
    const context = Context.add(isTraced(fiber) ? silent : untraced, FetchHttpClient.RequestInit, init)
    return Effect.provideContext(http.execute(request), Context.add(context, CallProgress, progress))
  })

const noRedirect = { redirect: "manual" } as const
const silent = Context.make(HttpClient.TracerPropagationEnabled, false)
/** Where no tracer listens, nothing is told to it: it is half of what a request costs. */
const untraced = Context.add(silent, HttpClient.TracerDisabledWhen, () => true)

/** Reads a whole body as text, counting what was decompressed, if the transport does that. Fails with `"too large"` beyond the limit. */
export const readText = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<string, HttpClientError.HttpClientError | "too large"> => {
  const body = new ByteBuffer(limit)
  if (hasChunks(response)) {
    return eachChunk(response[chunks], (bytes) => body.add(bytes)).pipe(
      Effect.mapError((cause) => bodyError(response, cause)),
      Effect.andThen(
        Effect.suspend(() => body.full ? Effect.fail("too large" as const) : Effect.succeed(body.toString()))
      )
    )
  }
  return response.stream.pipe(
    Stream.runForEachArray((arrays) =>
      arrays.every((bytes) => body.add(bytes)) ? Effect.void : Effect.fail("too large" as const)
    ),
    Effect.catchIf(isEmptyBody, () => Effect.void),
    Effect.map(() => body.toString())
  )
}

const isEmptyBody = (error: unknown): error is HttpClientError.HttpClientError =>
  HttpClientError.isHttpClientError(error) && error.reason._tag === "EmptyBodyError"
