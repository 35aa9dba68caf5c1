import type { Timestamp } from "./Timestamp.ts"

/** An API key as the service lists it, without its secret. */
export interface ApiKey {
  /** Unique among your keys; a key is revoked by it. */
  readonly name: string
  /** 32 hexadecimal digits; `undefined` right after the creation, which does not tell it. */
  readonly keyId: string | undefined
  readonly createdAt: Timestamp
  /** Absent for a key that was never used. */
  readonly lastUsedAt: Timestamp | undefined
}
