/**
 * The calls of the sign-in service: renew, device code, poll, revoke. A failure says whether the request may have been
 * carried out, because a refresh token is good for one use.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { jsonOf } from "../../schema/jsonOf.ts"
import { must } from "../../schema/must.ts"
import type { CallProgress } from "../CallProgress.ts"
import type { SignInSettings } from "../SignIn.ts"
import { fromTransport } from "./Failure.ts"
import { decodeWith } from "./Json.ts"
import { readText, sendWith } from "./Send.ts"
import { isPrintable, secret } from "./Token.ts"

/** What a sign-in asks to be allowed. */
const scope = "openid profile email offline_access rentals:* executors:list keys:create keys:list keys:revoke"

/** The limits of one request: time for everything, and bytes of the reply. */
const limits = { millis: 15_000, bytes: 256 * 1024 }

/** Beyond this the clock of this machine is taken to be wrong. */
const toleratedSkewMillis = 30_000

/** Tokens that the sign-in service gave. */
export interface Grant {
  readonly accessToken: Redacted.Redacted
  /** Absent where the old one stays good. */
  readonly refreshToken: Redacted.Redacted | undefined
  readonly lifetimeMillis: number | undefined
  /** How far the service's clock is ahead of this machine's; 0 where they agree well enough. */
  readonly skewMillis: number
}

/** A sign-in that waits for a person to enter a code. */
export interface DeviceCode {
  readonly deviceCode: Redacted.Redacted
  readonly userCode: string
  readonly verificationUri: string
  readonly verificationUriComplete: string | undefined
  readonly lifetimeMillis: number
  readonly intervalMillis: number
}

/**
 * A request to the sign-in service that failed.
 *
 * - `"not sent"`: it did not reach the service, or was turned away at its door: by a limit (429), or by the service's own
 *   word that it is busy (503 `temporarily_unavailable`). A bare 503 may be a proxy's that lost the reply.
 * - `"refused"`: the service said no.
 * - `"unknown"`: it may have been carried out; the reply was lost or cannot be understood.
 */
export interface EndpointFailure {
  readonly kind: "not sent" | "refused" | "unknown"
  readonly reason: string
  /** The OAuth code, such as `invalid_grant`. */
  readonly code: string | undefined
}

/** The sign-in service. */
export interface TokenEndpoint {
  /** Where it is, for messages. */
  readonly issuer: string
  /** Gives a refresh token away for new tokens. Sent once. */
  refresh(refreshToken: Redacted.Redacted): Effect.Effect<Grant, EndpointFailure>
  /** Begins a sign-in on another device. */
  readonly deviceCode: Effect.Effect<DeviceCode, EndpointFailure>
  /** Asks whether the person has entered the code; refused with `authorization_pending` while not. */
  poll(deviceCode: Redacted.Redacted): Effect.Effect<Grant, EndpointFailure>
  /** Makes a refresh token worthless. Can be sent again. */
  revoke(refreshToken: Redacted.Redacted): Effect.Effect<void, EndpointFailure>
}

const Secret = Schema.String.check(must(isPrintable, "is not printable"))
const Shown = Schema.String.check(must((text) => /^[\x20-\x7e]{1,2048}$/.test(text), "is not printable"))

const readGrant = decodeWith(Schema.Struct({
  access_token: Secret,
  refresh_token: Schema.optionalKey(Schema.NullOr(Secret)),
  expires_in: Schema.optionalKey(Schema.Unknown)
}))

const readDeviceCode = decodeWith(Schema.Struct({
  device_code: Secret,
  user_code: Shown,
  verification_uri: Shown,
  verification_uri_complete: Schema.optionalKey(Schema.NullOr(Shown)),
  expires_in: Schema.optionalKey(Schema.Unknown),
  interval: Schema.optionalKey(Schema.Unknown)
}))

const readRefused = decodeWith(
  Schema.Struct({ error: Schema.String.check(Schema.isPattern(/^[a-z_]{1,64}$/)) })
)

export const make = (http: HttpClient.HttpClient, { audience, clientId, issuer }: SignInSettings): TokenEndpoint => {
  const send = sendWith(http)

  const post = (path: string, form: Readonly<Record<string, string>>) =>
    Effect.suspend(() => {
      const progress: CallProgress = { phase: "headers" }
      const request = HttpClientRequest.bodyUrlParams(
        HttpClientRequest.post(`${issuer}${path}`, { acceptJson: true }),
        { client_id: clientId, ...form }
      )
      return send(request, progress).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            progress.phase = "body"
          })
        ),
        Effect.flatMap((response) => Effect.map(readText(response, limits.bytes), (text) => ({ response, text }))),
        Effect.mapError((error) => {
          if (error === "too large") return failure("unknown", `answered with more than ${limits.bytes} bytes`)
          const { outcome, reason } = fromTransport("", error, progress.phase, true)
          return outcome === "none"
            ? failure("not sent", `could not be reached: ${reason}`)
            : failure("unknown", `did not answer: ${reason}`)
        }),
        Effect.timeoutOrElse({
          duration: limits.millis,
          orElse: () =>
            Effect.fail(
              failure(
                progress.phase === "connect" ? "not sent" : "unknown",
                `did not answer within ${limits.millis / 1000} s`
              )
            )
        }),
        Effect.flatMap(({ response, text }) =>
          response.status >= 200 && response.status < 300
            ? Effect.succeed({ response, text })
            : Effect.fail(refusal(response.status, text))
        )
      )
    })

  const grant = (form: Readonly<Record<string, string>>) =>
    post("/oauth/token", form).pipe(
      Effect.flatMap(({ response, text }) =>
        Effect.zipWith(read(readGrant, text), skewOf(response), (reply, skewMillis): Grant => ({
          accessToken: secret(reply.access_token),
          refreshToken: typeof reply.refresh_token === "string" ? secret(reply.refresh_token) : undefined,
          lifetimeMillis: toMillis(reply.expires_in),
          skewMillis
        }))
      )
    )

  return {
    issuer,
    refresh: (refreshToken) => grant({ grant_type: "refresh_token", refresh_token: Redacted.value(refreshToken) }),
    deviceCode: post("/oauth/device/code", { scope, audience }).pipe(
      Effect.flatMap(({ text }) => read(readDeviceCode, text)),
      Effect.map((reply) => ({
        deviceCode: secret(reply.device_code),
        userCode: reply.user_code,
        verificationUri: reply.verification_uri,
        verificationUriComplete: reply.verification_uri_complete ?? undefined,
        lifetimeMillis: Math.min(toMillis(reply.expires_in) ?? 600_000, 600_000),
        intervalMillis: Math.min(toMillis(reply.interval) ?? 5000, 60_000)
      }))
    ),
    poll: (deviceCode) =>
      grant({
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: Redacted.value(deviceCode)
      }),
    revoke: (refreshToken) => Effect.asVoid(post("/oauth/revoke", { token: Redacted.value(refreshToken) }))
  }
}

const failure = (kind: EndpointFailure["kind"], reason: string, code?: string): EndpointFailure => ({
  kind,
  reason,
  code
})

/** Nothing of the reply is repeated but the code: its words may hold what was sent. */
const refusal = (status: number, text: string): EndpointFailure => {
  if (status === 0 || (status >= 300 && status < 400)) {
    return failure("refused", "answered with a redirect, which is never followed")
  }
  const code = Result.getOrUndefined(readRefused(jsonOf(text)))?.error
  const reason = `answered ${status}${code === undefined ? "" : ` ${code}`}`
  if (status === 429 || (status === 503 && code === "temporarily_unavailable")) return failure("not sent", reason, code)
  // Without an OAuth code it is a proxy before the service that turned it away, which is no word on the sign-in.
  if (status === 403 && code === undefined) return failure("not sent", reason)
  return failure(status >= 500 || status === 408 ? "unknown" : "refused", reason, code)
}

const read = <A>(
  decode: (body: unknown) => Result.Result<A, string>,
  text: string
): Effect.Effect<A, EndpointFailure> =>
  Effect.mapError(
    Effect.fromResult(decode(jsonOf(text))),
    () => failure("unknown", "answered with something that is no sign-in reply")
  )

/** Seconds of the wire; some services send them as text. */
const toMillis = (seconds: unknown): number | undefined => {
  const number = typeof seconds === "string" && /^\d{1,10}$/.test(seconds) ? Number(seconds) : seconds
  return typeof number === "number" && number > 0 && number < 1e10 ? number * 1000 : undefined
}

const skewOf = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const skew = Date.parse(response.headers["date"] ?? "") - now
    return Math.abs(skew) > toleratedSkewMillis ? skew : 0
  })
