/**
 * Signing in with a code that is entered on another device (RFC 8628), and signing out.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { AuthenticationError } from "../../errors/AuthenticationError.ts"
import type { DeviceLoginStep } from "../Auth.ts"
import type { TokenStore } from "../TokenStore.ts"
import type { DeviceCode, EndpointFailure, Grant, TokenEndpoint } from "./TokenEndpoint.ts"

/** How much longer to wait between two questions when the service asks to slow down. */
const slowDownMillis = 5000

/** Shows the code, asks until it was entered, and keeps the tokens. */
export const deviceLogin = (
  endpoint: TokenEndpoint,
  store: TokenStore["Service"]
): Stream.Stream<DeviceLoginStep, AuthenticationError> =>
  Stream.paginate<Waiting | undefined, DeviceLoginStep, AuthenticationError>(
    undefined,
    (waiting) => waiting === undefined ? begin(endpoint) : ask(endpoint, store, waiting)
  )

interface Waiting {
  readonly code: DeviceCode
  readonly waited: number
  readonly interval: number
}

type Page = readonly [ReadonlyArray<DeviceLoginStep>, Option.Option<Waiting>]

const begin = (endpoint: TokenEndpoint): Effect.Effect<Page, AuthenticationError> =>
  Effect.mapBoth(endpoint.deviceCode, {
    onFailure: (failure) => notBegun(endpoint, failure),
    onSuccess: (code) => [
      [{
        _tag: "ShowCode",
        userCode: code.userCode,
        verificationUri: code.verificationUri,
        verificationUriComplete: code.verificationUriComplete,
        expiresInMillis: code.lifetimeMillis
      }],
      Option.some({ code, waited: 0, interval: code.intervalMillis })
    ]
  })

/** One question, after the interval. A question that got no answer is asked again. */
const ask = Effect.fnUntraced(
  function*(
    endpoint: TokenEndpoint,
    store: TokenStore["Service"],
    { code, interval, waited }: Waiting
  ): Effect.fn.Return<Page, AuthenticationError> {
    if (waited + interval > code.lifetimeMillis) return yield* notSignedIn("nobody entered the code in time")
    yield* Effect.sleep(interval)
    const reply = yield* Effect.result(endpoint.poll(code.deviceCode))
    if (Result.isSuccess(reply)) return [[yield* keep(store, reply.success)], Option.none()]
    const { failure } = reply
    if (failure.kind === "refused" && failure.code !== "authorization_pending" && failure.code !== "slow_down") {
      const reason = failure.code === "access_denied"
        ? "the sign-in was declined"
        : `${endpoint.issuer} ${failure.reason}`
      return yield* notSignedIn(reason, failure.code)
    }
    const next = failure.code === "slow_down" ? interval + slowDownMillis : interval
    return [
      [{ _tag: "Waiting", intervalMillis: next }],
      Option.some({ code, waited: waited + interval, interval: next })
    ]
  }
)

const keep = Effect.fnUntraced(function*(store: TokenStore["Service"], { accessToken, refreshToken }: Grant) {
  const tokens = { accessToken, refreshToken }
  const kept = yield* store.locked(store.write(tokens)).pipe(
    Effect.as(true),
    Effect.catch(({ reason }) =>
      Effect.as(
        Effect.logWarning(`The sign-in was not kept: ${reason}. It is good for this program alone.`),
        false
      )
    ),
    Effect.uninterruptible
  )
  return { _tag: "SignedIn", tokens, location: kept ? store.location : undefined } satisfies DeviceLoginStep
})

/** Makes the refresh token worthless, then forgets the sign-in. Where the first fails, nothing is forgotten. */
export const signOut = Effect.fnUntraced(function*(
  endpoint: TokenEndpoint,
  store: TokenStore["Service"]
): Effect.fn.Return<void, AuthenticationError> {
  yield* store.locked(Effect.gen(function*() {
    const tokens = yield* store.read
    if (tokens === undefined) return
    if (tokens.refreshToken !== undefined) {
      yield* Effect.mapError(endpoint.revoke(tokens.refreshToken), ({ code, kind, reason }) =>
        new AuthenticationError({
          operation: "Auth.signOut",
          kind: kind === "refused" ? "refused" : "unreachable",
          reason: `the sign-in could not be revoked: ${endpoint.issuer} ${reason}`,
          remedy: `Nothing was removed: try again, or clear ${store.location} and leave the sign-in valid elsewhere.`,
          code
        }))
    }
    yield* store.remove
  }))
})

const notBegun = ({ issuer }: TokenEndpoint, { code, kind, reason }: EndpointFailure): AuthenticationError =>
  new AuthenticationError({
    operation: "Auth.deviceLogin",
    kind: kind === "refused" ? "refused" : "unreachable",
    reason: `the sign-in could not begin: ${issuer} ${reason}`,
    remedy: code === "unauthorized_client"
      ? "It does not let this client sign in with a code: check the domain and the client id; a local Basilica does with " +
        "--device-sign-in, or deviceSignIn: true."
      : kind === "refused"
      ? "Check the domain, the client id and the audience of the sign-in."
      : "Try again later.",
    code
  })

const notSignedIn = (reason: string, code?: string): Effect.Effect<never, AuthenticationError> =>
  Effect.fail(
    new AuthenticationError({
      operation: "Auth.deviceLogin",
      kind: "refused",
      reason,
      remedy: "Start the sign-in again, and enter the new code.",
      code
    })
  )
