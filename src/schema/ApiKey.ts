import type { Timestamp } from "./Timestamp.ts"

/** An API key as the service lists it, without its secret. */
export interface ApiKey {
  readonly name: string
  /** 32 hexadecimal digits; `undefined` right after the creation, which does not tell it. */
  readonly keyId: string | undefined
  readonly createdAt: Timestamp
  readonly lastUsedAt: Timestamp | undefined
}
