/**
 * Where a sign-in is kept, so that it outlives a program and can be shared by several.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import type { AuthenticationError } from "../errors/AuthenticationError.ts"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"

/** The tokens of a sign-in. */
export interface Tokens {
  readonly accessToken: Redacted.Redacted
  /** What a new access token is asked for with. Absent for an API key, and for an access token without one. */
  readonly refreshToken?: Redacted.Redacted | undefined
  /**
   * When they were kept, by the clock of this machine, in milliseconds since 1970. The age of a token is reckoned from
   * it, so that a wrong clock does not matter.
   */
  readonly keptAtMillis?: number | undefined
}

/** A layer that gives a {@link TokenStore}; `TokenFile.layer()` of `basilica-sdk/node` makes one. */
export interface TokenStoreLayer extends Layer.Layer<TokenStore, ConfigurationError> {}

/**
 * Where a sign-in is kept. `TokenFile.layer` of `basilica-sdk/node` keeps it in the file that the official command line
 * uses; write your own for a keychain or a database.
 */
export class TokenStore extends Context.Service<TokenStore, {
  /** The place in a few words, for messages: `the token file /home/me/.local/share/basilica/auth.json`. */
  readonly location: string
  /** The tokens as they are now, or `undefined` where nobody is signed in. Fails where the place must not be trusted. */
  readonly read: Effect.Effect<Tokens | undefined, AuthenticationError>
  /** Keeps the tokens in the place of those that are there: wholly or not at all. Call it inside `locked`. */
  write(tokens: Tokens): Effect.Effect<void, AuthenticationError>
  /** Forgets the tokens. Call it inside `locked`. */
  readonly remove: Effect.Effect<void, AuthenticationError>
  /** Runs an effect while nobody else, in no other program either, is inside `locked` of the same place. */
  locked<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | AuthenticationError, R>
}>()("basilica-sdk/services/TokenStore") {
  /** Keeps the tokens in memory, for as long as the program runs. */
  static readonly layerMemory = (initial?: Tokens): Layer.Layer<TokenStore> =>
    Layer.sync(TokenStore, () => TokenStore.makeMemory(initial))

  /** The service of {@link TokenStore.layerMemory}. */
  static readonly makeMemory = (initial?: Tokens): TokenStore["Service"] => {
    const lock = Semaphore.makeUnsafe(1)
    let tokens = initial
    return TokenStore.of({
      location: "the memory of this program",
      read: Effect.sync(() => tokens),
      write: (next) =>
        Effect.sync(() => {
          tokens = next
        }),
      remove: Effect.sync(() => {
        tokens = undefined
      }),
      locked: (effect) => lock.withPermits(1)(effect)
    })
  }
}
