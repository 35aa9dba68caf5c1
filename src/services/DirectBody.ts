import type * as Effect from "effect/Effect"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"

/** The key of a {@link DirectBody}. */
export const eachChunk: unique symbol = Symbol.for("basilica-sdk/services/DirectBody")

/** A response whose body can be read without a stream, which costs as much as all the rest of a small call. */
export interface DirectBody {
  /** Hands out the whole body, chunk by chunk, until one is not taken; then the connection is closed. */
  readonly [eachChunk]: (
    take: (chunk: Uint8Array) => boolean
  ) => Effect.Effect<void, HttpClientError.HttpClientError>
}

/** Whether the body of a response can be read without a stream. */
export const hasDirectBody = (
  response: HttpClientResponse.HttpClientResponse
): response is HttpClientResponse.HttpClientResponse & DirectBody => Predicate.hasProperty(response, eachChunk)
