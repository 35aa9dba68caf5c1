/**
 * Your API keys. The service lets a person's access token manage them, not another API key.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { Conflict } from "../errors/Conflict.ts"
import { InvalidResponse } from "../errors/InvalidResponse.ts"
import { NotFound } from "../errors/NotFound.ts"
import type { ApiKey } from "../schema/ApiKey.ts"
import type { Listing } from "../schema/Listing.ts"
import { ApiKeyItemRead, ApiKeyName, CreateApiKeyReply, toApiKey } from "../schema/wire/ApiKeys.ts"
import { decodeListing, mayHide } from "../schema/wire/Listing.ts"
import { reader } from "./Input.ts"
import * as Deadline from "./internal/Deadline.ts"
import { decodeDone, decodeWith } from "./internal/Json.ts"
import { method, value } from "./internal/tracing.ts"
import { warnOfInvalid } from "./internal/warnOfInvalid.ts"
import { type CallError, Transport } from "./Transport.ts"

/** A key that was just made, with its secret, which is shown this one time. */
export interface CreatedApiKey extends ApiKey {
  /** `basilica_` and 64 characters. */
  readonly token: Redacted.Redacted
}

/** Your API keys. */
export class ApiKeys extends Context.Service<ApiKeys, {
  /**
   * Makes a key with your own scopes. Where the reply is lost, and with it the secret, the key is looked for, revoked if it
   * was not there before, and made once more. Where that cannot be done either, the error's `outcome` is not `"none"`: look
   * with `list`, and revoke the key if it is there. All of this keeps within the timeout of the client.
   *
   * The name has 1 to 100 of A-Z, a-z, 0-9, _ and -. Fails with `Conflict` where it is taken, or ten keys exist.
   */
  create(name: string): Effect.Effect<CreatedApiKey, ConfigurationError | CallError | Conflict>
  /** Lists your keys, newest first, without their secrets. */
  readonly list: Effect.Effect<Listing<ApiKey>, CallError>
  /**
   * Revokes a key. `NotFound` where there is none of that name. An answer that is not the service's own is proved by the list
   * of keys; where that shows the key still, or cannot be had, it is an `InvalidResponse` whose `outcome` is `"unknown"`.
   */
  revoke(name: string): Effect.Effect<void, ConfigurationError | CallError | NotFound>
}>()("basilica-sdk/services/ApiKeys") {
  /** The service over a `Transport`. */
  static readonly layer: Layer.Layer<ApiKeys, never, Transport> = Layer.effect(
    ApiKeys,
    Transport.useSync((transport) => make(transport))
  )
}

const make = (transport: Transport["Service"]): ApiKeys["Service"] =>
  ApiKeys.of({
    create: method("ApiKeys.create")(function*(name) {
      yield* readCreateName(name)
      yield* Effect.annotateCurrentSpan("key", name)
      const created = yield* Deadline.within(transport.timeout)(createAndProve(transport, name))
      return { ...created, keyId: undefined, lastUsedAt: undefined }
    }),
    list: list(transport, "ApiKeys.list").pipe(
      Effect.tap((listing) => warnOfInvalid("ApiKeys.list", listing)),
      value("ApiKeys.list")
    ),
    revoke: method("ApiKeys.revoke")(function*(name) {
      yield* readRevokeName(name)
      yield* Effect.annotateCurrentSpan("key", name)
      yield* Deadline.within(transport.timeout)(revoke(transport, "ApiKeys.revoke", name))
    })
  })

/**
 * A key is sent for once, and once more where it is known that the first try left none: names are unique, so no two keys
 * can come of it. What was there before is never revoked.
 */
const createAndProve = Effect.fnUntraced(function*(transport: Transport["Service"], name: string) {
  const operation = "ApiKeys.create"
  const isThere = Effect.map(
    list(transport, operation),
    ({ invalid, items }) => items.some((one) => one.name === name) || invalid.some((one) => one.id === name)
  )
  const part = Duration.toMillis(transport.timeout) / 4
  // Without an answer it may have been there. The first try leaves time to look after it.
  const before = yield* Effect.orElseSucceed(Deadline.within(part)(isThere), () => undefined)
  const first = yield* Effect.result(Deadline.within(part * 2)(create(transport, operation, name)))
  if (Result.isSuccess(first)) return first.success
  const { failure } = first
  if (failure.outcome === "none") return yield* Effect.fail(failure)
  if (yield* Effect.mapError(isThere, () => failure)) {
    if (before !== false) {
      const known = new Conflict({ operation, reason: "A key of this name was there before." })
      return yield* Effect.fail(before === undefined ? failure : known)
    }
    yield* Effect.mapError(revoke(transport, operation, name), () => failure)
  }
  // A first try that comes through only now makes this one a conflict: whatever fails here, nothing is proven.
  return yield* Effect.mapError(create(transport, operation, name), () => failure)
})

const create = (transport: Transport["Service"], operation: string, name: string) =>
  transport.request({
    operation,
    method: "POST",
    path: ["api-keys"],
    body: { name },
    scope: "keys:create",
    decode: decodeCreated,
    onRefusal: ({ code, operation, reason, requestId, status }) =>
      status === 409 ? Result.fail(new Conflict({ operation, reason, code, requestId })) : undefined
  })

const list = (transport: Transport["Service"], operation: string) =>
  transport.request({ operation, method: "GET", path: ["api-keys"], scope: "keys:list", decode: decodeList })

/** What is no clear answer is proved by the list. */
const revoke = (transport: Transport["Service"], operation: string, name: string) =>
  transport.request<void, NotFound>({
    operation,
    method: "DELETE",
    path: ["api-keys", name],
    scope: "keys:revoke",
    decode: decodeDone(200, 204),
    onRefusal: ({ mayHaveRun, operation, requestId, status }) => {
      if (status !== 404) return undefined
      // The key was there when an earlier attempt reached the service, whose reply was lost.
      if (mayHaveRun) return Result.void
      return Result.fail(new NotFound({ operation, resource: "API key", id: name, requestId }))
    }
  }).pipe(Effect.catchTag("InvalidResponse", (error) => {
    const unproven = new InvalidResponse({ ...error, outcome: "unknown" })
    return Effect.flatMap(
      Effect.mapError(list(transport, operation), () => unproven),
      (listing) =>
        listing.items.some((one) => one.name === name) || mayHide(listing, name)
          ? Effect.fail(unproven)
          : Effect.void
    )
  }))

const readCreateName = reader("ApiKeys.create", ApiKeyName, "name")
const readRevokeName = reader("ApiKeys.revoke", ApiKeyName, "name")
const decodeCreated = decodeWith(CreateApiKeyReply)
const decodeList = decodeListing(undefined, ApiKeyItemRead, {
  toDomain: toApiKey,
  idOf: (raw) => (raw as { name?: unknown } | null)?.name
})
