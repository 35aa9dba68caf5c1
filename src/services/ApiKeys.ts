/**
 * Your API keys. The service lets a person's access token manage them, not another API key.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { Conflict } from "../errors/Conflict.ts"
import { NotFound } from "../errors/NotFound.ts"
import type { ApiKey } from "../schema/ApiKey.ts"
import type { Listing } from "../schema/Listing.ts"
import { ApiKeyItemWire, ApiKeyName, CreateApiKeyReply, toApiKey } from "../schema/wire/ApiKeys.ts"
import { decodeListing } from "../schema/wire/Listing.ts"
import { reader } from "./internal/Input.ts"
import { warnOfInvalid } from "./internal/warnOfInvalid.ts"
import { type CallError, decodeWith, Transport } from "./Transport.ts"

/** A key that was just made, with its secret, which is shown this one time. */
export interface CreatedApiKey extends ApiKey {
  /** `basilica_` and 64 characters. */
  readonly token: Redacted.Redacted
}

/** Your API keys. */
export class ApiKeys extends Context.Service<ApiKeys, {
  /**
   * Makes a key with your own scopes. Sent once: where its reply is lost, the error's `outcome` is `"unknown"`; look with
   * `list`, and revoke the key if it is there, since its secret is lost.
   *
   * The name has 1 to 100 of A-Z, a-z, 0-9, _ and -. Fails with `Conflict` where it is taken, or ten keys exist.
   */
  create(name: string): Effect.Effect<CreatedApiKey, ConfigurationError | CallError | Conflict>
  /** Lists your keys, newest first, without their secrets. */
  readonly list: Effect.Effect<Listing<ApiKey>, CallError>
  /** Revokes a key. `NotFound` where there is none of that name. */
  revoke(name: string): Effect.Effect<void, ConfigurationError | CallError | NotFound>
}>()("basilica-sdk/services/ApiKeys") {
  /** For `Basilica.layer`, which makes a new layer for each set of options. */
  static readonly make: Effect.Effect<ApiKeys["Service"], never, Transport> = Effect.map(
    Transport,
    (transport) => make(transport)
  )

  static readonly layer: Layer.Layer<ApiKeys, never, Transport> = Layer.effect(ApiKeys, ApiKeys.make)
}

const make = (transport: Transport["Service"]): ApiKeys["Service"] =>
  ApiKeys.of({
    create: Effect.fn("ApiKeys.create")(function*(name) {
      yield* readCreateName(name)
      yield* Effect.annotateCurrentSpan("key", name)
      const created = yield* transport.request({
        operation: "ApiKeys.create",
        method: "POST",
        path: ["api-keys"],
        body: { name },
        scope: "keys:create",
        decode: decodeCreated,
        onRefusal: ({ code, operation, reason, requestId, status }) =>
          status === 409 ? Result.fail(new Conflict({ operation, reason, code, requestId })) : undefined
      })
      return { ...created, keyId: undefined, lastUsedAt: undefined }
    }),
    list: transport.request({
      operation: "ApiKeys.list",
      method: "GET",
      path: ["api-keys"],
      scope: "keys:list",
      decode: decodeList
    }).pipe(
      Effect.tap((listing) => warnOfInvalid("ApiKeys.list", listing)),
      Effect.withSpan("ApiKeys.list")
    ),
    revoke: Effect.fn("ApiKeys.revoke")(function*(name) {
      yield* readRevokeName(name)
      yield* Effect.annotateCurrentSpan("key", name)
      yield* transport.request<void, NotFound>({
        operation: "ApiKeys.revoke",
        method: "DELETE",
        path: ["api-keys", name],
        scope: "keys:revoke",
        decode: () => Result.void,
        onRefusal: ({ mayHaveRun, operation, requestId, status }) => {
          if (status !== 404) return undefined
          // The key was there when an earlier attempt reached the service, whose reply was lost.
          if (mayHaveRun) return Result.void
          return Result.fail(new NotFound({ operation, resource: "API key", id: name, requestId }))
        }
      })
    })
  })

const readCreateName = reader("ApiKeys.create", ApiKeyName, "name")
const readRevokeName = reader("ApiKeys.revoke", ApiKeyName, "name")
const decodeCreated = decodeWith(CreateApiKeyReply)
const decodeList = decodeListing(undefined, ApiKeyItemWire, {
  toDomain: toApiKey,
  idOf: (raw) => (raw as { name?: unknown } | null)?.name
})
