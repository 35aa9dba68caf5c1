import * as Schema from "effect/Schema"
import type { ApiKey } from "../ApiKey.ts"
import { snakeKeys } from "../internal/snakeKeys.ts"
import { must } from "../must.ts"
import { maybe } from "./fields.ts"

/** The rule for the name of a key. */
export const ApiKeyName = Schema.String.check(must(
  (name) => /^[A-Za-z0-9_-]{1,100}$/.test(name),
  "is not a name for a key; allowed: 1 to 100 of A-Z, a-z, 0-9, _ and -"
))

/** The reply of `POST /api-keys`: the only time that the secret is shown. */
export const CreateApiKeyReply = snakeKeys(Schema.Struct({
  name: Schema.String,
  createdAt: Schema.String,
  token: Schema.RedactedFromValue(Schema.String)
}))

/** An item of `GET /api-keys`, whose reply is a bare array. */
export const ApiKeyItemWire = snakeKeys(Schema.Struct({
  kid: Schema.String,
  name: Schema.String,
  createdAt: Schema.String,
  lastUsedAt: maybe(Schema.String)
}))

/** The same item as it is read. */
export const ApiKeyItemRead = Schema.toEncoded(ApiKeyItemWire)

/** What people hold of an item of `GET /api-keys`. */
export const toApiKey = (wire: typeof ApiKeyItemRead.Type): ApiKey => ({
  name: wire.name,
  keyId: wire.kid,
  createdAt: wire.created_at,
  lastUsedAt: wire.last_used_at ?? undefined
})
