import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { signInDefaults } from "../schema/SignInOptions.ts"
import { RefreshTokens } from "./RefreshTokens.ts"
import * as Refusals from "./Refusals.ts"
import { TokenSigner } from "./TokenSigner.ts"

/** What the sign-in service can be told. */
export interface IdentityProviderOptions {
  /** How long the access tokens of a sign-in live. Default: 24 hours. */
  readonly accessTokenLife?: Duration.Input | undefined
  /** For how long a refresh token that was used is taken again, until its successor is used. Default: not at all. */
  readonly refreshOverlap?: Duration.Input | undefined
  /** How long a device waits between two questions. Default: 5 seconds. */
  readonly deviceInterval?: Duration.Input | undefined
  /**
   * Whether a device can be signed in at `/activate`. The page asks for no secret: on a machine that others use too, they
   * could sign in there and run commands as you. Default: false.
   */
  readonly deviceSignIn?: boolean | undefined
}

/** What a program needs to know of the sign-in service. */
export interface LocalSignIn {
  /** The URL of the service. */
  readonly domain: string
  readonly clientId: string
  readonly audience: string
}

/** The tokens of a sign-in. */
export interface SignInTokens {
  readonly accessToken: Redacted.Redacted
  /** Good for one use. */
  readonly refreshToken: Redacted.Redacted
}

/** A reply of the sign-in service. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** What a person may do with the API. */
const apiScopes: ReadonlyArray<string> = ["rentals:*", "executors:list", "keys:create", "keys:list", "keys:revoke"]

const knownScopes: ReadonlySet<string> = new Set(["openid", "profile", "email", "offline_access", ...apiScopes])

const deviceLifeMillis = 600_000
const slowDownMillis = 5000

/** How long the token lives that a person is given at the start. */
const personTokenLifeMillis = 10 * 365 * 86_400_000

/** Whose a sign-in or a token is, and what it is for. */
interface SignIn {
  readonly person: string
  readonly scopes: ReadonlyArray<string>
}

interface Device {
  readonly deviceCode: string
  readonly userCode: string
  readonly scopes: ReadonlyArray<string>
  readonly expiresAtMillis: number
  intervalMillis: number
  askedAtMillis: number | undefined
  /** The person who confirmed it; `"denied"` where one declined. */
  decision: { readonly person: string } | "denied" | undefined
}

/**
 * Signs people in as Auth0 does: codes for devices, access tokens that are signed, refresh tokens that are good for one
 * use. It knows nothing of how requests come to it.
 */
export class IdentityProvider extends Context.Service<IdentityProvider, {
  readonly signIn: LocalSignIn
  /** Those who can sign in. */
  readonly people: ReadonlyArray<string>
  readonly deviceSignIn: boolean
  /** `POST /oauth/token`: a refresh token or a device code for new tokens. */
  token(form: URLSearchParams): Effect.Effect<Answer>
  /** `POST /oauth/device/code`: begins a sign-in on a device. */
  deviceCode(form: URLSearchParams): Effect.Effect<Answer>
  /** `POST /oauth/revoke`: ends a sign-in. */
  revoke(form: URLSearchParams): Effect.Effect<Answer>
  /** The person's answer to a code: who it is, or no. Says whether there was a code that waited for it. */
  decide(userCode: string, decision: { readonly person: string } | "denied"): Effect.Effect<boolean>
  /** Signs a person in without a device. */
  tokensOf(person: string): Effect.Effect<SignInTokens>
  /** An access token for years, for a program that does not sign in. */
  tokenOf(person: string): Effect.Effect<Redacted.Redacted>
  /** Finds whose an access token is; a refusal where it is not good here, or not any more. */
  verify(token: string): Effect.Effect<SignIn, Refusals.Refusal>
}>()("basilica-sdk/server/IdentityProvider") {
  static readonly layer = (
    options: IdentityProviderOptions & { readonly url: string; readonly people: ReadonlyArray<string> }
  ): Layer.Layer<IdentityProvider, never, SecureRandom.SecureRandom | TokenSigner> =>
    Layer.effect(IdentityProvider, make(options))
}

const Head = Schema.fromJsonString(Schema.Struct({ alg: Schema.String, kid: Schema.String }))

const Claims = Schema.fromJsonString(Schema.Struct({
  iss: Schema.String,
  sub: Schema.String,
  aud: Schema.Union([Schema.String, Schema.Array(Schema.String)]),
  exp: Schema.Finite,
  scope: Schema.String
}))

const make = Effect.fnUntraced(function*(
  { deviceSignIn = false, people, url, ...options }: IdentityProviderOptions & {
    readonly url: string
    readonly people: ReadonlyArray<string>
  }
) {
  const random = yield* SecureRandom.SecureRandom
  const signer = yield* TokenSigner
  const { audience, clientId } = signInDefaults
  const issuer = `${url}/`
  const lifeMillis = Duration.toMillis(options.accessTokenLife ?? "24 hours")
  const intervalMillis = Duration.toMillis(options.deviceInterval ?? "5 seconds")
  const refreshTokens = new RefreshTokens<SignIn>(Duration.toMillis(options.refreshOverlap ?? 0))
  const devices = new Map<string, Device>()

  const randomText = (size: number) => Effect.map(random.randomBytes(size), Base64Url.encode)

  const sign = Effect.fnUntraced(function*({ person, scopes }: SignIn, millis: number) {
    const now = yield* Clock.currentTimeMillis
    const head = { alg: signer.algorithm, typ: "JWT", kid: signer.keyId }
    const claims = {
      iss: issuer,
      sub: person,
      aud: [audience],
      iat: now / 1000,
      exp: (now + millis) / 1000,
      azp: clientId,
      scope: scopes.join(" "),
      jti: yield* randomText(16)
    }
    const text = [head, claims].map((part) => Base64Url.encode(JSON.stringify(part))).join(".")
    return `${text}.${Base64Url.encode(yield* signer.sign(text))}`
  })

  const grant = Effect.fnUntraced(function*(signIn: SignIn, refreshToken: string | undefined) {
    return {
      status: 200,
      body: {
        access_token: yield* sign(signIn, lifeMillis),
        ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
        scope: signIn.scopes.join(" "),
        expires_in: lifeMillis / 1000,
        token_type: "Bearer"
      }
    }
  })

  /** A new refresh token of a sign-in that asked for one. */
  const begin = Effect.fnUntraced(function*(signIn: SignIn) {
    if (!signIn.scopes.includes("offline_access")) return undefined
    const token = yield* randomText(32)
    refreshTokens.begin(token, signIn)
    return token
  })

  const refresh = Effect.fnUntraced(function*(token: string) {
    const next = yield* randomText(32)
    const signIn = refreshTokens.rotate(token, next, yield* Clock.currentTimeMillis)
    return signIn === undefined
      ? refuse(403, "invalid_grant", "Unknown or invalid refresh token.")
      : yield* grant(signIn, next)
  })

  const poll = Effect.fnUntraced(function*(deviceCode: string) {
    const now = yield* Clock.currentTimeMillis
    const device = devices.get(deviceCode)
    if (device === undefined) return refuse(403, "invalid_grant", "Invalid device code.")
    if (now >= device.expiresAtMillis) return refuse(403, "expired_token", "The device code has expired.")
    const tooSoon = device.askedAtMillis !== undefined && now < device.askedAtMillis + device.intervalMillis
    device.askedAtMillis = now
    if (tooSoon) {
      device.intervalMillis += slowDownMillis
      return refuse(429, "slow_down", "You are polling faster than the interval allows.")
    }
    const { decision } = device
    if (decision === undefined) {
      return refuse(403, "authorization_pending", "User has yet to authorize device code.")
    }
    devices.delete(deviceCode)
    if (decision === "denied") return refuse(403, "access_denied", "User did not authorize the request.")
    const signIn = { person: decision.person, scopes: device.scopes }
    return yield* grant(signIn, yield* begin(signIn))
  })

  /** Answers the one public client that there is. */
  const forClient = (form: URLSearchParams, answer: Effect.Effect<Answer>): Effect.Effect<Answer> =>
    form.get("client_id") === clientId
      ? Effect.uninterruptible(answer)
      : Effect.succeed(refuse(401, "invalid_client", "Unknown client."))

  const makeDevice = Effect.fnUntraced(function*(scope: string) {
    const now = yield* Clock.currentTimeMillis
    for (const { deviceCode, expiresAtMillis } of devices.values()) {
      if (now >= expiresAtMillis) devices.delete(deviceCode)
    }
    const letters = Array.from(yield* random.randomBytes(8), (byte) => codeLetters.charAt(byte % codeLetters.length))
    const device: Device = {
      deviceCode: yield* randomText(32),
      userCode: `${letters.slice(0, 4).join("")}-${letters.slice(4).join("")}`,
      scopes: scope.split(" ").filter((one) => knownScopes.has(one)),
      expiresAtMillis: now + deviceLifeMillis,
      intervalMillis,
      askedAtMillis: undefined,
      decision: undefined
    }
    devices.set(device.deviceCode, device)
    return {
      status: 200,
      body: {
        device_code: device.deviceCode,
        user_code: device.userCode,
        verification_uri: `${url}/activate`,
        verification_uri_complete: `${url}/activate?user_code=${device.userCode}`,
        expires_in: deviceLifeMillis / 1000,
        interval: intervalMillis / 1000
      }
    }
  })

  const all = (person: string): SignIn => ({ person, scopes: [...knownScopes] })

  return IdentityProvider.of({
    signIn: { domain: url, clientId, audience },
    people,
    deviceSignIn,
    token: (form) =>
      forClient(
        form,
        Effect.suspend(() => {
          switch (form.get("grant_type")) {
            case "refresh_token":
              return refresh(form.get("refresh_token") ?? "")
            case "urn:ietf:params:oauth:grant-type:device_code":
              return poll(form.get("device_code") ?? "")
            default:
              return Effect.succeed(refuse(403, "unsupported_grant_type", "Unsupported grant type."))
          }
        })
      ),
    deviceCode: (form) =>
      forClient(
        form,
        Effect.suspend(() => {
          if (!deviceSignIn) {
            return Effect.succeed(refuse(
              403,
              "unauthorized_client",
              "Device sign-in is switched off: --device-sign-in of basilica-local, or deviceSignIn: true, switches it on."
            ))
          }
          return form.get("audience") === audience
            ? makeDevice(form.get("scope") ?? "")
            : Effect.succeed(refuse(403, "access_denied", "There is no such audience."))
        })
      ),
    revoke: (form) =>
      forClient(
        form,
        Effect.sync(() => {
          refreshTokens.revoke(form.get("token") ?? "")
          return { status: 200, body: {} }
        })
      ),
    decide: (userCode, decision) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const device = [...devices.values()].find((one) =>
          one.userCode === userCode && one.decision === undefined && now < one.expiresAtMillis
        )
        if (device === undefined || (decision !== "denied" && !people.includes(decision.person))) return false
        device.decision = decision
        return true
      }),
    tokensOf: Effect.fnUntraced(function*(person) {
      const signIn = all(person)
      const refreshToken = yield* randomText(32)
      refreshTokens.begin(refreshToken, signIn)
      return {
        accessToken: Redacted.make(yield* sign(signIn, lifeMillis), { label: person }),
        refreshToken: Redacted.make(refreshToken, { label: person })
      }
    }),
    tokenOf: (person) =>
      Effect.map(
        sign({ person, scopes: apiScopes }, personTokenLifeMillis),
        (token) => Redacted.make(token, { label: person })
      ),
    verify: Effect.fnUntraced(function*(token) {
      const [head = "", payload = "", signature = "", ...rest] = token.split(".")
      const read = Result.all([
        Result.flatMap(Base64Url.decodeString(head), Schema.decodeResult(Head)),
        Result.flatMap(Base64Url.decodeString(payload), Schema.decodeResult(Claims)),
        Base64Url.decode(signature)
      ])
      if (rest.length > 0 || Result.isFailure(read)) return yield* invalid
      const [{ alg, kid }, { aud, exp, iss, scope, sub }, signed] = read.success
      if (alg !== signer.algorithm || kid !== signer.keyId) return yield* invalid
      if (!(yield* signer.verify(`${head}.${payload}`, signed))) return yield* invalid
      if ((yield* Clock.currentTimeMillis) >= exp * 1000) return yield* invalid
      if (!(typeof aud === "string" ? [aud] : aud).includes(audience)) {
        return yield* Refusals.unauthenticated("Token not authorized for this API")
      }
      if (iss !== issuer) return yield* Refusals.unauthenticated("Token issued by unauthorized provider")
      return { person: sub, scopes: scope.split(" ") }
    })
  })
})

const invalid = Refusals.unauthenticated("Invalid token")

/** No vowels, so that no code is a word, and nothing that looks like something else. */
const codeLetters = "BCDFGHJKLMNPQRSTVWXZ"

const refuse = (status: number, error: string, description: string): Answer => ({
  status,
  body: { error, error_description: description }
})
