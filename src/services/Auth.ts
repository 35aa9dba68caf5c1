/**
 * Who the calls are made for: gives `Transport` a token, and learns which token the service refused.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { AuthenticationError } from "../errors/AuthenticationError.ts"
import { ConfigurationError } from "../errors/ConfigurationError.ts"

/** Gives the token for a call. */
export class Auth extends Context.Service<Auth, {
  /** The token to send: an API key (`basilica_...`) or an access token. Fails where there is none. */
  readonly token: Effect.Effect<Redacted.Redacted, AuthenticationError>
  /** Says that the service refused this token (401); the next `token` may be another. */
  invalidate(token: Redacted.Redacted): Effect.Effect<void>
}>()("basilica-sdk/services/Auth") {
  /**
   * One token for good: an API key or an access token. White space around it is cut off.
   *
   * Fails with `ConfigurationError` where it holds anything but printable ASCII, which would break the header.
   */
  static readonly layerToken = (token: string | Redacted.Redacted): Layer.Layer<Auth, ConfigurationError> =>
    Layer.effect(Auth, Effect.map(readToken(token), fixed))

  /** The token of the environment, `BASILICA_API_TOKEN`. Without one, calls that need a token fail, and say so. */
  static readonly layerConfig: Layer.Layer<Auth, ConfigurationError | Config.ConfigError> = Layer.effect(
    Auth,
    Effect.gen(function*() {
      const token = yield* Config.option(Config.Redacted("BASILICA_API_TOKEN"))
      return Option.isSome(token) ? fixed(yield* readToken(token.value)) : none
    })
  )

  /** No token: calls that need one fail before anything is sent. */
  static readonly layerNone: Layer.Layer<Auth> = Layer.sync(Auth, () => none)
}

const fixed = (token: Redacted.Redacted): Auth["Service"] =>
  Auth.of({ token: Effect.succeed(token), invalidate: () => Effect.void })

const none: Auth["Service"] = Auth.of({
  token: Effect.fail(
    new AuthenticationError({
      operation: "Auth.token",
      reason: "there is no token: neither the token option nor BASILICA_API_TOKEN is set",
      remedy: "Set one of them to an API key (basilica_...) or an access token."
    })
  ),
  invalidate: () => Effect.void
})

const readToken = (token: string | Redacted.Redacted): Effect.Effect<Redacted.Redacted, ConfigurationError> => {
  const value = (typeof token === "string" ? token : Redacted.value(token)).trim()
  if (/^[\x21-\x7e]+$/.test(value)) return Effect.succeed(Redacted.make(value, { label: "token" }))
  const problem = value === "" ? "is empty" : "holds white space or a character that a header cannot carry"
  return Effect.fail(
    new ConfigurationError({
      operation: "Basilica",
      problems: [{ field: "token", problem: `${problem}; allowed: printable ASCII, as the service gave it out` }]
    })
  )
}
