/**
 * The way of every call: base URL, token, limits, retry by kind of call, and one place where a reply becomes a value or
 * a typed error. An escape hatch for calls that the SDK does not cover.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ApiError } from "../errors/ApiError.ts"
import { AuthenticationError } from "../errors/AuthenticationError.ts"
import type { AuthorizationError } from "../errors/AuthorizationError.ts"
import { ConfigurationError } from "../errors/ConfigurationError.ts"
import { InvalidResponse } from "../errors/InvalidResponse.ts"
import type { NetworkError } from "../errors/NetworkError.ts"
import type { RateLimited } from "../errors/RateLimited.ts"
import { TimeoutError } from "../errors/TimeoutError.ts"
import { count, duration } from "../schema/wire/fields.ts"
import { Auth } from "./Auth.ts"
import type { CallProgress } from "./CallProgress.ts"
import type { ChunkSource } from "./ChunkSource.ts"
import { baseUrlOfEnvironment } from "./ClientOptions.ts"
import { reader } from "./Input.ts"
import * as BaseUrl from "./internal/BaseUrl.ts"
import * as Deadline from "./internal/Deadline.ts"
import {
  askedToWait,
  fromPublicRefusal,
  fromRefusal,
  fromTransport,
  readRefusal,
  readRequestId,
  type Refusal
} from "./internal/Failure.ts"
import { parseJson } from "./internal/Json.ts"
import * as Metrics from "./internal/Metrics.ts"
import { discard, openReply } from "./internal/OpenBody.ts"
import * as RetryBudget from "./internal/RetryBudget.ts"
import { retrySchedule } from "./internal/retrySchedule.ts"
import { readText, sendWith } from "./internal/Send.ts"
import { summary } from "./internal/summary.ts"
import { accountOf, isPrintable } from "./internal/Token.ts"
import { withoutTokenOf } from "./internal/withoutToken.ts"

/** What any call may fail with, whatever it does. */
export type CallError =
  | AuthenticationError
  | AuthorizationError
  | RateLimited
  | NetworkError
  | TimeoutError
  | InvalidResponse
  | ApiError

/** What a call may fail with that needs no token. */
export type PublicCallError = Exclude<CallError, AuthenticationError | AuthorizationError>

/** What is sent. */
interface Request {
  /** The name for errors, spans and metrics: `Executors.listAvailable`. */
  readonly operation: string
  readonly method: "GET" | "POST" | "DELETE"
  /** The segments of the path. Each is encoded, and must be one segment: check ids before. */
  readonly path: ReadonlyArray<string>
  readonly query?: { readonly [name: string]: string | number | boolean | undefined }
  /** The scope that the token must have, for the error of a token that does not: `rentals:create`. */
  readonly scope?: string
  /** A JSON value. */
  readonly body?: unknown
  /** What of the body no error may show where the service repeats it. Those of 8 characters or more are hidden. */
  readonly secrets?: ReadonlyArray<string>
  /** The deadline for everything: connecting, reply, body and retries. Default: the option `timeout` of the layer. */
  readonly timeout?: Duration.Input | undefined
}

/** A call of the service: what is sent, and what the reply means. */
export interface Call<A, E extends Tagged = never> extends Request {
  /** Reads the JSON of a good reply, which has that status; `undefined` stands for an empty body. */
  readonly decode: (body: unknown, status?: number) => Result.Result<A, string>
  /** Gives a refusal a meaning of its own, as an error or a value. Without one it becomes a {@link CallError}. */
  readonly onRefusal?: OnRefusal<A, E>
  /**
   * With this, a request that is on its way when the deadline passes is not cut: the call fails, and the request goes on
   * until it is answered, for 16 minutes at most, or until the layer closes. This is told how it ended.
   */
  readonly onLate?: (exit: Exit.Exit<A, unknown>) => Effect.Effect<void>
}

/** What every error of this package has. */
export interface Tagged {
  readonly _tag: string
}

/** A request for a stream. */
export interface OpenCall<E extends Tagged = never> extends Request {
  readonly onRefusal?: OnRefusal<never, E>
}

/** Gives a refusal a meaning, or leaves it to the general rules. */
export type OnRefusal<A, E> = (
  refusal: Refusal & {
    /** Whether an earlier attempt of this call may have been carried out. */
    readonly mayHaveRun: boolean
  }
) => Result.Result<A, E> | undefined

export type { Refusal }

/** Options of {@link Transport.layer}. */
export interface TransportOptions {
  /** Default: `https://api.basilica.ai`. http is allowed to this machine alone. */
  readonly baseUrl?: string | undefined
  /** The deadline of a call, all attempts together. Default: 60 seconds. A deploy has its own. */
  readonly timeout?: Duration.Input | undefined
  /**
   * When an idempotent call is sent again; its input is the error. All calls of a client share a budget for it. Default: {@link defaultRetrySchedule}. A `Retry-After`
   * of the service makes a delay longer, up to 60 seconds, whatever the schedule says.
   */
  readonly retry?: Schedule.Schedule<unknown, CallError> | undefined
  /** The most bytes of a reply that are read, after decompression. Default: 8 MiB. Logs are not bounded by it. */
  readonly maxBodyBytes?: number | undefined
}

/** The authenticated, limited client. */
export class Transport extends Context.Service<Transport, {
  /** Makes a call with the token. */
  request<A, E extends Tagged = never>(call: Call<A, E>): Effect.Effect<A, CallError | E>
  /** Makes a call without the token. */
  requestPublic<A, E extends Tagged = never>(call: Call<A, E>): Effect.Effect<A, PublicCallError | E>
  /**
   * Opens a stream: the deadline and the retries end with the head of the reply, its body takes as long as it takes. The
   * connection closes with the stream.
   */
  open<E extends Tagged = never>(call: OpenCall<E>): Effect.Effect<OpenReply, CallError | E, Scope.Scope>
  /** Whose deployments the calls see. */
  readonly identity: Effect.Effect<Identity, AuthenticationError>
  /** The deadline of a call that names none. */
  readonly timeout: Duration.Duration
  /** For calls that the SDK does not cover: knows the base URL and the token; retries nothing, limits nothing. */
  readonly client: HttpClient.HttpClient.With<HttpClientError.HttpClientError | AuthenticationError>
}>()("basilica-sdk/services/Transport") {
  /** Needs an `HttpClient` and `Auth`. `Basilica.layer` brings both. */
  static readonly layer = (
    options: TransportOptions = {}
  ): Layer.Layer<Transport, ConfigurationError, HttpClient.HttpClient | Auth> => Layer.effect(Transport, make(options))

  /** As {@link Transport.layer}, with the base URL of `BASILICA_API_URL`. */
  static readonly layerConfig: Layer.Layer<
    Transport,
    ConfigurationError | Config.ConfigError,
    HttpClient.HttpClient | Auth
  > = Layer.unwrap(Effect.map(baseUrlOfEnvironment, (baseUrl) => Transport.layer({ baseUrl })))
}

/** Whose deployments the calls of a client see. Holds no secret. */
export interface Identity {
  /** The base URL of the service. */
  readonly service: string
  /** The subject of the access token, or the id of the API key. Absent for a token that says neither. */
  readonly account?: string
}

/** A reply whose body is still to come. */
export interface OpenReply {
  readonly status: number
  readonly contentType: string
  /** The service's own time when it answered, in milliseconds since 1970, where it says it. */
  readonly date?: number | undefined
  /** Makes words of the body fit for an error: one line, cut, and without the token that was sent. */
  readonly showable: (words: string) => string
  readonly body: Stream.Stream<Uint8Array, NetworkError>
  /** The same body to be read by hand, where the transport can do that. Read one of them. */
  readonly chunks?: ChunkSource<NetworkError> | undefined
}

/**
 * The schedule for idempotent calls: three attempts in all, with full jitter, which is a random part of 100 ms, then of
 * 200 ms.
 */
export const defaultRetrySchedule: Schedule.Schedule<unknown, CallError> = retrySchedule

const readLayerOptions = reader(
  "Basilica",
  Schema.Struct({ timeout: Schema.optional(duration()), maxBodyBytes: Schema.optional(count) }),
  "options"
)

const make = Effect.fnUntraced(function*(options: TransportOptions) {
  const http = yield* HttpClient.HttpClient
  const auth = yield* Auth
  const scope = yield* Effect.scope
  const baseUrl = yield* Effect.fromResult(BaseUrl.parse(options.baseUrl ?? BaseUrl.defaultBaseUrl))
  const { maxBodyBytes = 8 * 1024 * 1024 } = yield* readLayerOptions({
    timeout: options.timeout,
    maxBodyBytes: options.maxBodyBytes
  })
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "60 seconds")
  const budget = RetryBudget.make()
  const schedule = (options.retry ?? defaultRetrySchedule).pipe(
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(Duration.max(duration, Duration.millis(askedToWait(input))))
    )
  )

  const send = sendWith(http)

  /** Throws at a path that would not be the one that was meant: no input of the services can make such a one. */
  const build = (call: Request, token?: Redacted.Redacted): HttpClientRequest.HttpClientRequest => {
    const { body, method, operation, path, query } = call
    const problems = path.flatMap((segment, index) =>
      isSegment(segment) ? [] : [{ field: `path[${index}]`, problem: notSegment }]
    )
    if (problems.length > 0) throw new ConfigurationError({ operation, problems })
    const request = HttpClientRequest.makeWith(
      method,
      `${baseUrl}/${path.map(encodeURIComponent).join("/")}`,
      query === undefined ? UrlParams.empty : UrlParams.fromInput(query),
      Option.none(),
      token === undefined ? accept : Headers.set(accept, "authorization", `Bearer ${Redacted.value(token)}`),
      HttpBody.empty
    )
    return body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, body)
  }

  /**
   * Sends with the token; if the service refuses it and there is another by then, once more with that. While a token is
   * waited for, nothing of the call is on its way.
   */
  const sendAuthenticated = Effect.fnUntraced(
    function*(call: Request, progress: CallProgress) {
      progress.phase = "connect"
      const token = yield* tokenFor(call.operation)
      progress.phase = "headers"
      const response = yield* send(build(call, token), progress)
      if (response.status !== 401) return response
      progress.phase = "connect"
      const fresh = yield* auth.invalidate(token).pipe(
        Effect.andThen(tokenFor(call.operation)),
        Effect.onExitIf(Exit.isFailure, () => discard(response))
      )
      progress.phase = "headers"
      if (Redacted.value(fresh) === Redacted.value(token)) return response
      yield* discard(response)
      return yield* send(build(call, fresh), progress)
    }
  )

  /** Looks at the token here, whoever gave it: a header that cannot be sent would be shown in the error of the runtime. */
  const tokenFor = (operation: string) =>
    Effect.mapError(
      Effect.filterOrFail(auth.token, (token) => isPrintable(Redacted.value(token)), () => unprintable),
      ({ code, kind, reason, remedy }) => new AuthenticationError({ operation, kind, reason, remedy, code })
    )

  /** One attempt, up to the head of the reply. */
  const head = Effect.fnUntraced(function*<E extends Tagged>(call: Request, progress: CallProgress, sender: Sender<E>) {
    progress.phase = "headers"
    return yield* Effect.mapError(sender(call, progress), (error) =>
      HttpClientError.isHttpClientError(error)
        ? fromTransport(call.operation, error, progress.phase, changes(call))
        : error)
  })

  const readBody = (
    call: Request,
    response: HttpClientResponse.HttpClientResponse,
    limit: number
  ): Effect.Effect<string, NetworkError | InvalidResponse> =>
    Effect.mapError(readText(response, limit), (error) =>
      error === "too large"
        ? new InvalidResponse({
          operation: call.operation,
          reason: `the body is larger than ${limit} bytes`,
          status: response.status,
          outcome: changes(call) ? "unknown" : "none"
        })
        : fromTransport(call.operation, error, "body", changes(call)))

  const refuse = Effect.fnUntraced(function*<A, E extends Tagged, E2>(
    call: Request & { readonly onRefusal?: OnRefusal<A, E> },
    response: HttpClientResponse.HttpClientResponse,
    mayHaveRun: boolean,
    general: (refusal: Refusal, changes: boolean) => E2
  ) {
    const body = yield* Effect.orElseSucceed(readBody(call, response, 64 * 1024), () => "")
    const refusal = yield* readRefusal(call, response, body)
    const own = call.onRefusal?.({ ...refusal, mayHaveRun })
    return yield* own === undefined ? Effect.fail(general(refusal, changes(call))) : Effect.fromResult(own)
  })

  const attempt = Effect.fnUntraced(function*<A, E extends Tagged, E2 extends Tagged, E3>(
    call: Call<A, E>,
    { mayHaveRun, progress }: Attempt,
    sender: Sender<E2>,
    general: (refusal: Refusal, changes: boolean) => E3
  ) {
    const response = yield* head(call, progress, sender)
    progress.phase = "body"
    if (response.status < 200 || response.status >= 300) return yield* refuse(call, response, mayHaveRun, general)
    const text = yield* readBody(call, response, maxBodyBytes)
    const value = Result.flatMap(parseJson(text), (body) => call.decode(body, response.status))
    return Result.isSuccess(value) ? value.success : yield* Effect.fail(
      new InvalidResponse({
        operation: call.operation,
        reason: withoutTokenOf(response, call.secrets)(value.failure),
        status: response.status,
        outcome: changes(call) ? "done" : "none",
        requestId: readRequestId(response, call.secrets)
      })
    )
  })

  /** Attempts and retries under one deadline. */
  const limited = <A, E extends Tagged, R>(
    call: Request,
    once: (attempt: Attempt) => Effect.Effect<A, E, R>,
    onLate?: (exit: Exit.Exit<A, unknown>) => Effect.Effect<void>
  ): Effect.Effect<A, E | TimeoutError, R> =>
    Effect.suspend(() => {
      const progress: CallProgress = { phase: "headers" }
      let attempts = 0
      let mayHaveRun = false
      let lastCost = 0
      let lastFailure: string | undefined
      const one = Effect.suspend(() => {
        attempts++
        // Whoever fails or goes away between the head of a reply and its body leaves it to nobody.
        const run = Effect.onError(once({ progress, mayHaveRun }), () => Effect.sync(() => progress.abandon?.()))
        return attempts === 1 ? run : Effect.andThen(Metrics.countRetry(call.operation), run)
      })
      const again = Effect.fnUntraced(function*(error: E) {
        if (!isRetryable(error)) return false
        mayHaveRun ||= error.outcome !== "none"
        progress.phase = "backoff"
        lastFailure = summary(error)
        lastCost = yield* budget.pay
        return lastCost > 0
      })
      const all = call.method !== "POST"
        ? Effect.retry(one, { schedule: schedule as Schedule.Schedule<unknown, Tagged>, while: again })
        : one
      const outOfTime = (afterMillis: number) =>
        Effect.suspend(() =>
          Effect.fail(
            new TimeoutError({
              operation: call.operation,
              phase: progress.phase,
              afterMillis,
              lastFailure: progress.phase === "backoff" ? lastFailure : undefined,
              outcome: changes(call) && (mayHaveRun || progress.phase !== "connect") ? "unknown" : "none"
            })
          )
        )
      const leaving = Effect.fnUntraced(function*(duration: number, late: Effect.Effect<never, TimeoutError>) {
        const fiber = yield* Effect.forkDetach(all, { startImmediately: true })
        const cut = Fiber.interrupt(fiber)
        // Where it has no connection yet, nothing was written, and nothing shall be.
        const leave = Effect.suspend(() =>
          progress.phase === "connect" ? cut : Effect.asVoid(Effect.forkIn(
            Effect.onInterrupt(Effect.flatMap(Fiber.await(fiber), onLate ?? (() => Effect.void)), () => cut).pipe(
              Effect.timeoutOrElse({ duration: "16 minutes", orElse: () => Effect.asVoid(cut) })
            ),
            scope
          ))
        )
        return yield* Effect.onInterrupt(
          Effect.timeoutOrElse(Fiber.join(fiber), { duration, orElse: () => Effect.andThen(leave, late) }),
          () => cut
        )
      })
      return Effect.flatMap(
        Deadline.left(Duration.toMillis(call.timeout ?? timeout)),
        ({ millis, totalMillis }) => {
          const late = outOfTime(totalMillis)
          return onLate === undefined
            ? Effect.timeoutOrElse(all, { duration: millis, orElse: () => late })
            : leaving(millis, late)
        }
      ).pipe(
        Effect.tap(() => Effect.andThen(Metrics.countCall(call.operation, "ok"), budget.refund(lastCost))),
        Effect.tapError((error) => Metrics.countCall(call.operation, error._tag))
      )
    })

  const client = HttpClient.makeWith(
    Effect.fnUntraced(function*(made: Effect.Effect<HttpClientRequest.HttpClientRequest>) {
      const request = yield* made
      const token = yield* tokenFor("Transport.client")
      return yield* send(HttpClientRequest.bearerToken(request, token), undefined).pipe(
        Effect.tap((response) => forgetToken(response.request)),
        Effect.tapError((error) => forgetToken(error.request))
      )
    }),
    (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(HttpClientRequest.prependUrl(request, baseUrl))
  )

  const sendPublic: Sender<never> = (call, progress) => send(build(call), progress)

  return Transport.of({
    client,
    identity: Effect.map(tokenFor("Transport.identity"), (token): Identity => {
      const account = accountOf(token)
      return account === undefined ? { service: baseUrl } : { service: baseUrl, account }
    }),
    timeout,
    request: (call) => limited(call, (one) => attempt(call, one, sendAuthenticated, fromRefusal), call.onLate),
    requestPublic: (call) => limited(call, (one) => attempt(call, one, sendPublic, fromPublicRefusal)),
    open: (call) =>
      limited(
        call,
        Effect.fnUntraced(function*({ mayHaveRun, progress }) {
          const response = yield* head(call, progress, sendAuthenticated)
          progress.phase = "body"
          return response.status === 200
            ? yield* openReply(call.operation, response)
            : yield* refuse(call, response, mayHaveRun, fromRefusal)
        })
      )
  })
})

type Sender<E> = (
  call: Request,
  progress: CallProgress
) => Effect.Effect<HttpClientResponse.HttpClientResponse, E | HttpClientError.HttpClientError>

interface Attempt {
  readonly progress: CallProgress
  /** Whether an earlier attempt may have been carried out. */
  readonly mayHaveRun: boolean
}

const unprintable = new AuthenticationError({
  operation: "Auth.token",
  kind: "missing",
  reason: "the token is empty, or holds a character that a header cannot carry",
  remedy: "Give printable ASCII, as the service gave it out."
})

const accept = Headers.fromRecordUnsafe({ accept: "application/json" })

/** A dot segment changes the path however it is encoded; half of a character cannot be encoded at all. */
const isSegment = (segment: string): boolean => !/^\.{0,2}$|\p{Cs}/u.test(segment)

const notSegment = "is not one segment of a path; allowed: text that is not empty, and neither . nor .."

/**
 * Takes the token off a request that was sent. Errors and responses hold their request, and Node prints every property
 * of an error that nobody catches.
 */
const forgetToken = (sent: HttpClientRequest.HttpClientRequest): Effect.Effect<void> =>
  Effect.sync(() => {
    Object.defineProperty(sent, "headers", { value: Headers.remove(sent.headers, "authorization") })
  })

const changes = (call: Request): boolean => call.method !== "GET"

/**
 * Only the general errors are retryable, so these alone reach the schedule. A sign-in that could not be renewed was tried
 * again by `Auth` already.
 */
const isRetryable = (error: object): error is CallError =>
  "retryable" in error && error.retryable === true && !(error instanceof AuthenticationError)
