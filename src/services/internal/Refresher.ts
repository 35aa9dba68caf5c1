/**
 * One sign-in, shared by every call: hands out its access token, and renews it early, or when the service refuses it. Of
 * all who need a new token at once, in this program and in others that share the store, one asks for it.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { AuthenticationError } from "../../errors/AuthenticationError.ts"
import type { Auth } from "../Auth.ts"
import type { Tokens, TokenStore } from "../TokenStore.ts"
import { readTimes } from "./Jwt.ts"
import { retrySchedule } from "./retrySchedule.ts"
import { isApiKey, sameToken } from "./Token.ts"
import type { EndpointFailure, Grant, TokenEndpoint } from "./TokenEndpoint.ts"

export interface RefresherOptions {
  readonly store: TokenStore["Service"]
  readonly endpoint: TokenEndpoint
  /** The error where the store is empty. */
  readonly missing: AuthenticationError
}

/** Tokens with their times, on a clock that nobody sets: milliseconds since some moment. */
interface Held {
  readonly tokens: Tokens
  readonly refreshAt: number
  readonly expiresAt: number
}

/** How long to wait before a refresh token is given away once more whose reply was lost: a proxy may be back by then. */
const resendAfterMillis = 2000

/** Tokens are renewed this long before they expire, or a tenth of their life, whichever is less. */
const earlyMillis = 5 * 60_000

export const make = Effect.fnUntraced(function*(
  { endpoint, missing, store: given }: RefresherOptions
): Effect.fn.Return<Auth["Service"], never, Scope.Scope> {
  const scope = yield* Effect.scope
  const store = remembering(given)
  /** The tokens that calls are made with. */
  let held: Held | undefined
  /** The access token that the service refused last. */
  let refused: Redacted.Redacted | undefined
  /** The refresh token that is of no more use, and why. It is never sent again. */
  let spent: { readonly refreshToken: Redacted.Redacted; readonly error: AuthenticationError } | undefined
  /** The refresh token that was given away and whose reply was lost. It may be sent once more. */
  let doubtful: Redacted.Redacted | undefined
  let running: Deferred.Deferred<Redacted.Redacted, AuthenticationError> | undefined
  /** No early renewal starts before. */
  let quietUntil = 0
  /** How far the clock of the sign-in service is ahead of this machine's, where that matters. */
  let skewMillis = 0

  const accepted = ({ tokens }: Held) => !sameToken(tokens.accessToken, refused)

  /** Tokens of the store with their times, as far as these can be known. */
  const measure = Effect.fnUntraced(function*(tokens: Tokens) {
    if (held !== undefined && sameTokens(held.tokens, tokens)) return held
    const now = yield* monotonicMillis
    if (!isRenewable(tokens)) return timed(tokens, now, forever)
    const wall = yield* Clock.currentTimeMillis
    return timed(tokens, now, readLife(tokens, wall, wall + skewMillis))
  })

  /** What can be handed out without asking for new tokens; `undefined` where they must be asked for. */
  const choose = Effect.fnUntraced(function*(tokens: Tokens | undefined) {
    if (tokens === undefined) {
      held = undefined
      return yield* Effect.fail(missing)
    }
    const found = yield* measure(tokens)
    const now = yield* monotonicMillis
    const over = spent !== undefined && sameToken(spent.refreshToken, tokens.refreshToken)
    // The first call of a program does not wait for an early renewal; the next one starts it.
    const until = over || held === undefined ? found.expiresAt : found.refreshAt
    if (!isRenewable(tokens) || (accepted(found) && now < until)) {
      held = found
      return tokens.accessToken
    }
    return over ? yield* Effect.fail(spent?.error ?? missing) : undefined
  })

  const end = (refreshToken: Redacted.Redacted, error: AuthenticationError) =>
    Effect.suspend(() => {
      spent = { refreshToken, error }
      return Effect.fail(error)
    })

  const keep = Effect.fnUntraced(function*(refreshToken: Redacted.Redacted, grant: Grant, startedAt: number) {
    const wall = yield* Clock.currentTimeMillis
    const tokens = { accessToken: grant.accessToken, refreshToken: grant.refreshToken ?? refreshToken }
    skewMillis = grant.skewMillis
    const { lifetimeMillis: life } = grant
    held = timed(
      tokens,
      startedAt,
      life === undefined ? readLife(tokens, wall, wall + skewMillis) : { life, left: life }
    )
    yield* Effect.catch(store.write(tokens), ({ reason }) =>
      Effect.logWarning(
        `The sign-in was renewed, but not kept: ${reason}. This program works on; the next one has to sign in again.`
      ))
    return tokens.accessToken
  })

  /** Gives the refresh token away, at most twice: a second time where the first reply was lost. Inside the lock. */
  const exchange = (
    tokens: Tokens,
    refreshToken: Redacted.Redacted,
    again: boolean
  ): Effect.Effect<Redacted.Redacted, AuthenticationError> =>
    Effect.gen(function*() {
      const startedAt = yield* monotonicMillis
      const result = yield* endpoint.refresh(refreshToken).pipe(
        Effect.retry({ schedule: retrySchedule, while: ({ kind }) => kind === "not sent" }),
        Effect.result
      )
      if (Result.isSuccess(result)) return yield* keep(refreshToken, result.success, startedAt)
      const { failure } = result
      if (failure.kind === "not sent") return yield* Effect.fail(unreachable(endpoint, failure))
      // A program that does not know the lock may have rotated the token meanwhile: then its tokens are the good ones.
      const latest = yield* Effect.orElseSucceed(store.read, () => tokens)
      if (!sameToken(latest?.refreshToken, refreshToken)) {
        const found = yield* choose(latest)
        if (found !== undefined) return found
        if (again && latest?.refreshToken !== undefined) return yield* exchange(latest, latest.refreshToken, false)
      }
      if (failure.kind === "unknown" && again) {
        doubtful = refreshToken
        yield* Effect.sleep(resendAfterMillis)
        return yield* exchange(tokens, refreshToken, false)
      }
      return yield* end(refreshToken, ended(endpoint, failure))
    })

  const renew = Effect.gen(function*() {
    const found = yield* choose(yield* store.read)
    if (found !== undefined) return found
    return yield* store.locked(Effect.gen(function*() {
      const tokens = yield* store.read
      const foundByNow = yield* choose(tokens)
      if (foundByNow !== undefined) return foundByNow
      if (tokens?.refreshToken === undefined) return yield* Effect.fail(missing)
      return yield* toTheEnd(exchange(tokens, tokens.refreshToken, !sameToken(tokens.refreshToken, doubtful)))
    }))
  }).pipe(Effect.withSpan("Auth.refresh", { root: true }))

  /** Joins the renewal that runs, or starts one, which goes on whatever becomes of those who wait for it. */
  const renewal = Effect.uninterruptible(Effect.suspend(() => {
    if (running !== undefined) return Effect.succeed(running)
    const deferred = Deferred.makeUnsafe<Redacted.Redacted, AuthenticationError>()
    running = deferred
    return Effect.map(Effect.forkIn(renew, scope), (fiber) => {
      fiber.addObserver((exit) => {
        running = undefined
        Deferred.doneUnsafe(deferred, exit)
      })
      return deferred
    })
  }))

  return {
    token: Effect.gen(function*() {
      const now = yield* monotonicMillis
      if (held === undefined || !accepted(held) || now >= held.expiresAt) {
        return yield* Deferred.await(yield* renewal)
      }
      const { expiresAt, refreshAt, tokens } = held
      if (now >= refreshAt && now >= quietUntil) {
        quietUntil = now + (expiresAt - now) / 4
        yield* renewal
      }
      return tokens.accessToken
    }),
    invalidate: (token) =>
      Effect.sync(() => {
        // A late refusal of a token that was replaced long ago says nothing of the one that is used now.
        if (sameToken(held?.tokens.accessToken, token)) refused = token
      })
  }
})

const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1000n) / 1000)

const isRenewable = ({ accessToken, refreshToken }: Tokens): boolean =>
  refreshToken !== undefined && !isApiKey(accessToken)

const sameTokens = (one: Tokens | undefined, other: Tokens | undefined): boolean =>
  sameToken(one?.accessToken, other?.accessToken) && sameToken(one?.refreshToken, other?.refreshToken)

/** How long a token lives in all, and how much of that is left, in milliseconds. */
interface Life {
  readonly life: number
  readonly left: number
}

const forever: Life = { life: Infinity, left: Infinity }

const timed = (tokens: Tokens, from: number, { left, life }: Life): Held => ({
  tokens,
  refreshAt: from + left - Math.min(earlyMillis, life / 10),
  expiresAt: from + left
})

/**
 * What is left of a token's life: all of it, less its age. The age is reckoned by this machine's clock alone where it is
 * known when the token was kept, and otherwise by `now`, which is as near as can be to the clock that issued it. A token
 * that says nothing of its time lives until it is refused.
 */
const readLife = ({ accessToken, keptAtMillis }: Tokens, wall: number, now: number): Life => {
  const { expiresAtMillis, issuedAtMillis } = readTimes(Redacted.value(accessToken))
  if (expiresAtMillis === undefined) return forever
  const life = Math.max(0, expiresAtMillis - (issuedAtMillis ?? now))
  if (issuedAtMillis === undefined) return { life, left: life }
  const age = keptAtMillis === undefined ? now - issuedAtMillis : wall - keptAtMillis
  return { life, left: Math.max(0, life - Math.max(0, age)) }
}

/** Lets an effect come to its end though the fiber that waits is interrupted: tokens that were rotated must be kept. */
const toTheEnd = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.uninterruptible(Effect.flatMap(Effect.forkDetach(effect), Fiber.join))

/** A store that knows what could not be written to it, for as long as nobody else has written there. */
const remembering = (store: TokenStore["Service"]): Pick<TokenStore["Service"], "read" | "write" | "locked"> => {
  let seen: Tokens | undefined
  let unkept: { readonly over: Tokens | undefined; readonly tokens: Tokens } | undefined
  return {
    read: store.read.pipe(
      Effect.map((tokens) => {
        seen = tokens
        if (unkept !== undefined && !sameTokens(unkept.over, tokens)) unkept = undefined
        return unkept?.tokens ?? tokens
      }),
      Effect.catch((error) => unkept === undefined ? Effect.fail(error) : Effect.succeed(unkept.tokens))
    ),
    write: (tokens) =>
      Effect.onExit(Effect.suspend(() => store.write(tokens)), (exit) =>
        Effect.sync(() => {
          unkept = Exit.isSuccess(exit) ? undefined : { over: seen, tokens }
        })),
    locked: (effect) => store.locked(effect)
  }
}

const unreachable = ({ issuer }: TokenEndpoint, { code, reason }: EndpointFailure): AuthenticationError =>
  new AuthenticationError({
    operation: "Auth.token",
    kind: "unreachable",
    reason: `the sign-in could not be renewed: ${issuer} ${reason}`,
    remedy: "Nothing was sent; try again later.",
    code
  })

/** The end of a sign-in; but a service that finds fault with anything else than the token says that it is set up wrong. */
const ended = ({ issuer }: TokenEndpoint, { code, kind, reason }: EndpointFailure): AuthenticationError =>
  kind === "unknown" || code === "invalid_grant"
    ? new AuthenticationError({
      operation: "Auth.token",
      kind: "signedOut",
      reason: `the sign-in is over: ${issuer} ${reason}`,
      remedy: "Sign in again: with Auth.deviceLogin, with the official command line, or give new tokens.",
      code
    })
    : new AuthenticationError({
      operation: "Auth.token",
      kind: "refused",
      reason: `the sign-in could not be renewed: ${issuer} ${reason}`,
      remedy: "Check the domain and the client id of the sign-in, and sign in again.",
      code
    })
