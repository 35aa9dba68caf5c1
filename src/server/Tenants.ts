import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { type ApiKeyItemWire, ApiKeyName } from "../schema/wire/ApiKeys.ts"
import { IdentityProvider, type SignInTokens } from "./IdentityProvider.ts"
import * as Refusals from "./Refusals.ts"
import * as WireTime from "./WireTime.ts"

/** One who uses the service, and sees nothing of the others. */
export interface Tenant {
  readonly name: string
  /** An access token for years. It is that of a person, so it may manage API keys. */
  readonly token: Redacted.Redacted
  /** A sign-in, as a program has it after `Auth.deviceLogin`. Its refresh token is good for one use. */
  readonly tokens: SignInTokens
}

/** Who calls, and what the call may do. */
export interface Caller {
  readonly tenant: string
  readonly scopes: ReadonlyArray<string>
  /** Whether the token is that of a person, not an API key. */
  readonly human: boolean
}

interface ApiKey {
  readonly tenant: string
  readonly kid: string
  readonly name: string
  readonly token: string
  readonly scopes: ReadonlyArray<string>
  readonly createdAt: string
  readonly lastUsedAt: string | null
}

const maxKeys = 10
const isKeyName = Schema.is(ApiKeyName)

/** Those who use the service, their tokens and their API keys. */
export class Tenants extends Context.Service<Tenants, {
  readonly tenants: ReadonlyArray<Tenant>
  /** Finds who calls by the `Authorization` header. */
  authenticate(authorization: string | undefined): Effect.Effect<Caller, Refusals.Refusal>
  /** Makes a key. Without scopes it has those of the caller. */
  createKey(caller: Caller, name: string, scopes: ReadonlyArray<string> | undefined): Effect.Effect<{
    readonly name: string
    readonly createdAt: string
    readonly token: Redacted.Redacted
  }, Refusals.Refusal>
  /** The caller's keys, newest first. */
  keys(caller: Caller): Effect.Effect<ReadonlyArray<typeof ApiKeyItemWire.Type>>
  /** Revokes a key of the caller. */
  revokeKey(caller: Caller, name: string): Effect.Effect<void, Refusals.Refusal>
}>()("basilica-sdk/server/Tenants") {
  /** Tenants for all who can sign in. */
  static readonly layer: Layer.Layer<Tenants, never, SecureRandom.SecureRandom | IdentityProvider> = Layer.effect(
    Tenants,
    Effect.gen(function*() {
      const provider = yield* IdentityProvider
      const tenants = yield* Effect.forEach(
        provider.people,
        (name) =>
          Effect.all({ name: Effect.succeed(name), token: provider.tokenOf(name), tokens: provider.tokensOf(name) })
      )
      return yield* make(tenants, provider)
    })
  )
}

const make = Effect.fnUntraced(function*(tenants: ReadonlyArray<Tenant>, provider: IdentityProvider["Service"]) {
  const random = yield* SecureRandom.SecureRandom
  const keys = yield* Ref.make<ReadonlyArray<ApiKey>>([])

  const authenticate = Effect.fnUntraced(function*(authorization: string | undefined) {
    if (authorization === undefined) return yield* Refusals.unauthenticated("Missing Authorization header")
    const token = authorization.startsWith("Bearer ") ? authorization.slice(7) : authorization
    if (token.startsWith("basilica_")) {
      const key = (yield* Ref.get(keys)).find((one) => sameSecret(one.token, token))
      if (key === undefined) return yield* Refusals.unauthenticated("Invalid API key")
      const now = WireTime.utc(yield* Clock.currentTimeNanos)
      yield* Ref.update(keys, (all) => all.map((one) => one.kid === key.kid ? { ...one, lastUsedAt: now } : one))
      return { tenant: key.tenant, scopes: key.scopes, human: false }
    }
    const { person, scopes } = yield* provider.verify(token)
    return { tenant: person, scopes, human: true }
  })

  const createKey = Effect.fnUntraced(
    function*(caller: Caller, name: string, scopes: ReadonlyArray<string> | undefined) {
      const id = yield* random.randomBytes(16)
      const secret = yield* random.randomBytes(32)
      const key: ApiKey = {
        tenant: caller.tenant,
        kid: Hex.encode(id),
        name,
        token: `basilica_${Base64Url.encode(new Uint8Array([...id, ...secret]))}`,
        scopes: scopes ?? caller.scopes,
        createdAt: WireTime.utc(yield* Clock.currentTimeNanos),
        lastUsedAt: null
      }
      const refusal = yield* Ref.modify(keys, (all) => {
        const own = all.filter((one) => one.tenant === caller.tenant)
        const problem = own.length >= maxKeys
          ? `Maximum number of API keys (${maxKeys}) reached. Please delete an existing key first.`
          : own.some((one) => one.name === name)
          ? `API key with name '${name}' already exists`
          : undefined
        return problem === undefined ? [undefined, [key, ...all]] : [Refusals.conflict(problem), all]
      })
      if (refusal !== undefined) return yield* refusal
      return { name, createdAt: key.createdAt, token: Redacted.make(key.token) }
    }
  )

  return Tenants.of({
    tenants,
    authenticate,
    createKey,
    keys: (caller) =>
      Effect.map(Ref.get(keys), (all) =>
        all.filter((one) => one.tenant === caller.tenant)
          .map(({ createdAt, kid, lastUsedAt, name }) => ({ kid, name, createdAt, lastUsedAt }))),
    revokeKey: Effect.fnUntraced(function*(caller: Caller, name: string) {
      if (!isKeyName(name)) return yield* Refusals.badRequest("Invalid API key name")
      const found = yield* Ref.modify(keys, (all) => {
        const rest = all.filter((one) => one.tenant !== caller.tenant || one.name !== name)
        return [rest.length < all.length, rest]
      })
      return found ? undefined : yield* Refusals.notFound(`API key with name '${name}' not found`)
    })
  })
})

/** Takes the same time wherever the two differ. */
const sameSecret = (self: string, that: string): boolean =>
  Mac.timingSafeEqual(encoder.encode(self), encoder.encode(that))

const encoder = new TextEncoder()
