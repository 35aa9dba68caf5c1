import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { ErrorEnvelope } from "../schema/wire/Served.ts"
import * as WireTime from "./WireTime.ts"

/** An answer that is a refusal: the service's own envelope, plain text of its framework, or a status alone. */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly body:
    | { readonly _tag: "Envelope"; readonly code: string; readonly message: string; readonly retryable: boolean }
    | { readonly _tag: "Text"; readonly text: string }
    | { readonly _tag: "Empty" }
}> {}

const envelope = (status: number, code: string, prefix = "", retryable = false) => (message: string): Refusal =>
  new Refusal({
    status,
    body: { _tag: "Envelope", code: `BASILICA_API_${code}`, message: prefix + message, retryable }
  })

/** 400: an input that the API itself checks. */
export const badRequest = envelope(400, "BAD_REQUEST", "Bad request: ")
/** 401: no token, or a token that is not good here. */
export const unauthenticated = envelope(401, "AUTH_ERROR", "Authentication error: ")
/** 404 with words: no machine fits, or no such API key. A rental that is not there has none: {@link empty}. */
export const notFound = envelope(404, "NOT_FOUND")
/** 409: API keys. */
export const conflict = envelope(409, "CONFLICT", "Conflict: ")
/** 500: whatever went wrong behind the API. */
export const other = envelope(500, "OTHER_ERROR")
/** 502, and the one that says of itself that it can be retried: the machine's own side does not answer. */
export const validatorUnreachable = envelope(502, "VALIDATOR_COMM_ERROR", "Validator communication error: ", true)

/** A status and no body. */
export const empty = (status: number): Refusal => new Refusal({ status, body: { _tag: "Empty" } })

/** What the web framework of the service answers before a handler runs. */
export const text = (status: number, words: string): Refusal =>
  new Refusal({ status, body: { _tag: "Text", text: words } })

/** The refusal as a response. */
export const toResponse = Effect.fnUntraced(function*({ body, status }: Refusal) {
  if (body._tag === "Empty") return HttpServerResponse.empty({ status })
  if (body._tag === "Text") {
    return HttpServerResponse.text(body.text, { status, contentType: "text/plain; charset=utf-8" })
  }
  const { code, message, retryable } = body
  const timestamp = WireTime.utc(yield* Clock.currentTimeNanos)
  return HttpServerResponse.jsonUnsafe(ErrorEnvelope.make({ error: { code, message, timestamp, retryable } }), {
    status
  })
})

/** Answers with the refusal that a handler fails with. The cast takes it out of the errors, as the catch does. */
export const respond = <A, E, R>(
  self: Effect.Effect<A, E | Refusal, R>
): Effect.Effect<A | HttpServerResponse.HttpServerResponse, Exclude<E, Refusal>, R> =>
  Effect.catchIf(self, (error): error is Extract<E | Refusal, Refusal> => error instanceof Refusal, toResponse) as never
