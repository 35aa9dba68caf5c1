import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Refusals from "./Refusals.ts"

/** The most that is read of a request: the limit of the service's own framework. */
const limit = ByteSize.mebibytes(2)

/** The body of a request, or the framework's answer to one that is too large, however it is sent. */
export const readText = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<string, Refusals.Refusal> =>
  Number(request.headers["content-length"] ?? 0) > Number(limit)
    ? Effect.fail(tooLarge)
    : request.text.pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, limit),
      Effect.catch((error) =>
        error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
          ? Effect.fail(tooLarge)
          : Effect.die(error)
      )
    )

const tooLarge = Refusals.text(413, "Failed to buffer the request body: length limit exceeded")
