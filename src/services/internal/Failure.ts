/**
 * The one place where a status, a body or a broken connection becomes a typed error.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { ApiError } from "../../errors/ApiError.ts"
import { AuthenticationError } from "../../errors/AuthenticationError.ts"
import { AuthorizationError } from "../../errors/AuthorizationError.ts"
import { NetworkError } from "../../errors/NetworkError.ts"
import type { Outcome, Phase } from "../../errors/Outcome.ts"
import { RateLimited } from "../../errors/RateLimited.ts"
import { parseErrorBody } from "../../schema/wire/ErrorBody.ts"
import { withoutTokenOf } from "./withoutToken.ts"

/** A reply that says no. */
export interface Refusal {
  readonly operation: string
  /** The scope that the route asks for. */
  readonly scope: string | undefined
  readonly status: number
  readonly code: string | undefined
  /** The service's own words, cut; `""` where it sent none. */
  readonly reason: string
  readonly requestId: string | undefined
  readonly retryAfterMillis: number | undefined
}

/** Reads a reply that says no. */
export const readRefusal = (
  { operation, scope, secrets }: {
    readonly operation: string
    readonly scope?: string | undefined
    readonly secrets?: ReadonlyArray<string> | undefined
  },
  response: HttpClientResponse.HttpClientResponse,
  body: string
): Effect.Effect<Refusal> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    operation,
    scope,
    status: response.status,
    ...parseErrorBody(body, withoutTokenOf(response, secrets)),
    requestId: readRequestId(response, secrets),
    retryAfterMillis: retryAfter(response.headers["retry-after"], now)
  }))

/** The id that the service gave to the request, where it has the look of one. */
export const readRequestId = (
  response: HttpClientResponse.HttpClientResponse,
  secrets?: ReadonlyArray<string>
): string | undefined => {
  const id = withoutTokenOf(response, secrets)(response.headers["x-request-id"] ?? "")
  return /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined
}

/** Nobody means to be asked again after more than a day. */
const longestWait = 24 * 60 * 60_000

const retryAfter = (header: string | undefined, now: number): number | undefined => {
  const parsed = header === undefined ? undefined : Headers.parseRetryAfter(header)
  return parsed === undefined || Result.isFailure(parsed)
    ? undefined
    : Math.min(longestWait, Duration.toMillis(Headers.retryAfterDelay(parsed.success, now)))
}

/** How long the service asks to be left alone, in milliseconds; more than a minute nobody waits. */
export const askedToWait = (error: object & { readonly retryAfterMillis?: number | undefined }): number =>
  Math.min(error.retryAfterMillis ?? 0, 60_000)

/** What any authenticated call may answer. */
export type RefusalError = AuthenticationError | AuthorizationError | RateLimited | ApiError

/** The error for a refusal that the operation has no word of its own for. `changes`: the call changes something. */
export const fromRefusal = (refusal: Refusal, changes: boolean): RefusalError => {
  const { code, operation, reason, requestId, status } = refusal
  if (status === 401) {
    return new AuthenticationError({
      operation,
      kind: "refused",
      reason: reason === "" ? "the service does not accept the token (401)" : reason,
      remedy: reason.includes("API key management requires")
        ? "API keys are managed with an access token, not with another API key."
        : "Give a token that is still valid: a new API key, or sign in again. One given as an option goes before " +
          "BASILICA_API_TOKEN, and that before the token file.",
      code,
      requestId
    })
  }
  if (status === 403) return new AuthorizationError({ operation, scope: refusal.scope, requestId })
  return fromPublicRefusal(refusal, changes)
}

/** The same for a call without a token, where 401 and 403 have no meaning of their own. */
export const fromPublicRefusal = (refusal: Refusal, changes: boolean): RateLimited | ApiError => {
  const { code, operation, reason, requestId, retryAfterMillis, status } = refusal
  if (status === 429) return new RateLimited({ operation, retryAfterMillis, requestId })
  const redirect = status === 0 || (status >= 300 && status < 400)
  return new ApiError({
    operation,
    status,
    code,
    reason: redirect ? "a redirect, which is never followed; check the base URL" : reason,
    retryable: status === 408 || status >= 500,
    outcome: changes && (status === 408 || status >= 500 || redirect) ? "unknown" : "none",
    retryAfterMillis,
    requestId
  })
}

/**
 * Codes that come from connecting alone, so that nothing was written. Others, such as `EHOSTUNREACH`, come from a
 * connection that stands as well: then the system call tells.
 */
const notSent: ReadonlySet<string> = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "UND_ERR_CONNECT_TIMEOUT",
  "ConnectionRefused",
  // Effect's own, which a program can put around the transport: they hold a request back.
  "CircuitBreakerError",
  "RateLimiterError"
])

/** What is looked at of an `HttpClientError`. */
export interface TransportFailure {
  readonly reason: { readonly cause?: unknown }
  readonly request: { readonly url: string }
}

/** The error for a connection that failed. Nothing of the failed request is kept but its origin: it holds the token. */
export const fromTransport = (
  operation: string,
  { reason: { cause }, request }: TransportFailure,
  phase: Phase,
  changes: boolean
): NetworkError => {
  const { code, syscall } = findCode(cause)
  const unsent = phase === "connect" || syscall === "connect" || syscall === "getaddrinfo"
    || (code !== undefined && notSent.has(code))
  const outcome: Outcome = !changes || unsent ? "none" : "unknown"
  const url = URL.canParse(request.url) ? ` (${new URL(request.url).origin})` : ""
  return new NetworkError({
    operation,
    phase: unsent ? "connect" : phase,
    reason: `${code ?? "the runtime gave no reason"}${url}`,
    outcome
  })
}

/** The first code in the chain of causes, and the system call that it came from. */
const findCode = (cause: unknown): { readonly code?: string; readonly syscall?: unknown } => {
  for (let depth = 0; depth < 5 && Predicate.isObject(cause); depth++) {
    const { _tag, cause: inner, code, errors, syscall } = cause as Partial<
      Record<"_tag" | "cause" | "code" | "errors" | "syscall", unknown>
    >
    if (typeof _tag === "string" && notSent.has(_tag)) return { code: _tag, syscall }
    if (typeof code === "string" && /^[A-Za-z0-9_]{1,64}$/.test(code)) return { code, syscall }
    cause = inner ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
  return {}
}
