import * as Effect from "effect/Effect"
import type { TokenSigner } from "../../server/TokenSigner.ts"

/**
 * Signs without a secret and without waiting, which a key of WebCrypto cannot: under a `TestClock` whatever is not waited
 * for by the clock has to come at once. It tells a token of this service from another; it keeps nobody from making one.
 */
export const make = (): TokenSigner["Service"] => ({
  algorithm: "none-memory",
  keyId: "memory",
  publicKey: { kid: "memory" },
  sign: (text) => Effect.succeed(checksum(text)),
  verify: (text, signature) => {
    const expected = checksum(text)
    return Effect.succeed(
      signature.length === expected.length && expected.every((byte, index) => byte === signature[index])
    )
  }
})

/** FNV-1a. */
const checksum = (text: string): Uint8Array => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, hash >>> 0)
  return bytes
}
