import * as Context from "effect/Context"
import * as Digest from "effect/crypto/Digest"
import * as KeyFormat from "effect/crypto/KeyFormat"
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Signs access tokens, and knows its own signatures. */
export class TokenSigner extends Context.Service<TokenSigner, {
  /** The name that stands in the head of a token, such as `RS256`. */
  readonly algorithm: string
  readonly keyId: string
  /** The public half of the key, for those who verify tokens themselves. */
  readonly publicKey: Readonly<Record<string, unknown>>
  sign(text: string): Effect.Effect<Uint8Array>
  verify(text: string, signature: Uint8Array): Effect.Effect<boolean>
}>()("basilica-sdk/server/TokenSigner") {
  /** RS256 with a key that is made here and never leaves. */
  static readonly layerRsa: Layer.Layer<TokenSigner, never, SecureRandom.SecureRandom> = Layer.effect(
    TokenSigner,
    Effect.gen(function*() {
      const signature = yield* Signature.Signature
      const { privateKey, publicKey } = yield* signature.generateKeyPair(
        Signature.rsaPkcs1v15({ hash: Digest.sha256, modulusLength: 2048 })
      )
      const { e, kty, n } = yield* KeyFormat.encode(KeyFormat.jwk, publicKey)
      const keyId = "local"
      return TokenSigner.of({
        algorithm: "RS256",
        keyId,
        publicKey: { kty, n, e, alg: "RS256", use: "sig", kid: keyId },
        sign: (text) => Effect.orDie(signature.sign(privateKey, encoder.encode(text))),
        verify: (text, signed) => Effect.orDie(signature.verify(publicKey, signed, encoder.encode(text)))
      })
    }).pipe(Effect.orDie)
  ).pipe(Layer.provide(Signature.layerWebCrypto))
}

const encoder = new TextEncoder()
