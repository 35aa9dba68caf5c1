/**
 * Who the calls are made for: gives `Transport` a token, and learns which token the service refused.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { AuthenticationError } from "../errors/AuthenticationError.ts"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import type { ShowCode, WaitingForCode } from "../schema/DeviceLoginStep.ts"
import type { SignInOptions } from "../schema/SignInOptions.ts"
import * as DeviceLogin from "./internal/DeviceLogin.ts"
import * as Refresher from "./internal/Refresher.ts"
import { isApiKey, readToken } from "./internal/Token.ts"
import * as TokenEndpoint from "./internal/TokenEndpoint.ts"
import { method, stream } from "./internal/tracing.ts"
import { signInSettings } from "./SignIn.ts"
import { type Tokens, TokenStore } from "./TokenStore.ts"

/** A step of {@link Auth.deviceLogin}. */
export type DeviceLoginStep =
  | ShowCode
  | WaitingForCode
  | {
    /** The last step. */
    readonly _tag: "SignedIn"
    readonly tokens: Tokens
    /** Where the sign-in was kept; `undefined` where it could not be, which was logged. */
    readonly location: string | undefined
  }

/** Options of {@link Auth.layerTokens}. */
export interface TokensOptions extends SignInOptions {
  /** An access token; an API key is taken as well, and never renewed. */
  readonly accessToken: string | Redacted.Redacted
  /** What a new access token is asked for with. */
  readonly refreshToken: string | Redacted.Redacted
}

/**
 * Gives the token for a call.
 *
 * Where a program leaves the choice to the SDK, an option wins over the environment, and that over the token file. The
 * first place that has a token decides, with the refresh token beside it: places are not mixed.
 *
 * A source of your own is a layer of this service.
 *
 * @example
 * ```ts
 * import { Auth, Basilica } from "basilica-sdk"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const auth = Layer.succeed(Auth, {
 *   token: Effect.sync(() => Redacted.make("basilica_...")),
 *   invalidate: () => Effect.void
 * })
 * const layer = Basilica.layer({ auth })
 * ```
 */
export class Auth extends Context.Service<Auth, {
  /**
   * The token to send: an API key (`basilica_...`) or an access token, renewed where it was about to expire. Fails where
   * there is none, and where the sign-in is over (`kind` is `"signedOut"`).
   */
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
    Layer.effect(Auth, Effect.map(readToken(token, "token"), fixed))

  /**
   * An access token that is renewed with its refresh token, before it expires and when the service refuses it. The new
   * tokens stay in memory: a refresh token is good for one use, so give this one to one program, once.
   */
  static readonly layerTokens = (
    options: TokensOptions
  ): Layer.Layer<Auth, ConfigurationError, HttpClient.HttpClient> => Layer.effect(Auth, fromTokens(options))

  /**
   * The sign-in that a `TokenStore` keeps, renewed there for all programs that share it: with `TokenFile.layer` of
   * `basilica-sdk/node` the file of the official command line. The first call reads it.
   */
  static readonly layerFile = (
    options: SignInOptions = {}
  ): Layer.Layer<Auth, ConfigurationError, TokenStore | HttpClient.HttpClient> =>
    Layer.effect(Auth, fromStore(options, []))

  /**
   * The token of the environment: `BASILICA_API_TOKEN`, an API key or an access token. With `BASILICA_REFRESH_TOKEN`
   * beside it an access token is renewed as by {@link Auth.layerTokens}. Without one, calls that need a token fail, and
   * say so.
   */
  static readonly layerConfig: Layer.Layer<Auth, ConfigurationError | Config.ConfigError, HttpClient.HttpClient> = Layer
    .effect(Auth, Effect.suspend(() => fromEnvironment((places) => Effect.succeed(none(places)))))

  /** As {@link Auth.layerConfig}, and where the environment has no token, as {@link Auth.layerFile}. */
  static readonly layerConfigOrFile: Layer.Layer<
    Auth,
    ConfigurationError | Config.ConfigError,
    TokenStore | HttpClient.HttpClient
  > = Layer.effect(Auth, Effect.suspend(() => fromEnvironment((places) => fromStore({}, places))))

  /** No token: calls that need one fail before anything is sent. */
  static readonly layerNone: Layer.Layer<Auth> = Layer.sync(
    Auth,
    () => none(["the option token"], ", or use Basilica.layerConfig, which reads BASILICA_API_TOKEN")
  )

  /**
   * Signs a person in with a code that is entered in any browser, and keeps the sign-in in the `TokenStore`, from where
   * {@link Auth.layerFile} takes it, also in a program that runs already. Ends with the step `SignedIn`.
   *
   * Fails with `AuthenticationError` where the code was not entered within its time, 10 minutes at most, or the sign-in was
   * declined.
   *
   * @example
   * ```ts
   * import { Auth } from "basilica-sdk"
   * import { NodeHttpClient, TokenFile } from "basilica-sdk/node"
   * import * as Console from "effect/Console"
   * import * as Effect from "effect/Effect"
   * import * as Stream from "effect/Stream"
   *
   * const program = Auth.deviceLogin().pipe(
   *   Stream.runForEach((step) =>
   *     step._tag === "ShowCode" ? Console.log(`Enter ${step.userCode} at ${step.verificationUri}`) : Effect.void
   *   ),
   *   Effect.provide([TokenFile.layer(), NodeHttpClient.layer])
   * )
   * ```
   */
  static readonly deviceLogin = (
    options: SignInOptions = {}
  ): Stream.Stream<
    DeviceLoginStep,
    AuthenticationError | ConfigurationError,
    TokenStore | HttpClient.HttpClient
  > =>
    Stream.unwrap(Effect.gen(function*() {
      return DeviceLogin.deviceLogin(yield* endpointOf(options), yield* TokenStore)
    })).pipe(stream("Auth.deviceLogin", {}))

  /**
   * Ends the sign-in that the `TokenStore` keeps: makes its refresh token worthless, then forgets it. Where the first fails,
   * nothing is forgotten. An access token that a program holds stays good until it expires, some hours at most.
   */
  static readonly signOut: (
    options?: SignInOptions
  ) => Effect.Effect<void, AuthenticationError | ConfigurationError, TokenStore | HttpClient.HttpClient> = method(
    "Auth.signOut"
  )(function*(options = {}) {
    yield* DeviceLogin.signOut(yield* endpointOf(options), yield* TokenStore)
  })
}

const fixed = (token: Redacted.Redacted): Auth["Service"] =>
  Auth.of({ token: Effect.succeed(token), invalidate: () => Effect.void })

const none = (places: ReadonlyArray<string>, otherwise?: string): Auth["Service"] =>
  Auth.of({ token: Effect.fail(missing(places, otherwise)), invalidate: () => Effect.void })

const missing = (places: ReadonlyArray<string>, otherwise = ""): AuthenticationError =>
  new AuthenticationError({
    operation: "Auth.token",
    kind: "missing",
    reason: `there is no token; looked for it in: ${places.join("; ")}`,
    remedy: `Give an API key (basilica_...) or an access token there${otherwise}. Or sign in with deviceLogin or the ` +
      "official command line, and read that sign-in: with the option tokenFile, in Effect with TokenFile.layer. Without an " +
      "account: npx basilica-local."
  })

const endpointOf = (options: SignInOptions) =>
  Effect.zipWith(HttpClient.HttpClient, signInSettings(options), TokenEndpoint.make)

const fromTokens = Effect.fnUntraced(function*(options: TokensOptions) {
  const accessToken = yield* readToken(options.accessToken, "accessToken")
  const refreshToken = yield* readToken(options.refreshToken, "refreshToken")
  if (isApiKey(accessToken)) return fixed(accessToken)
  const store = TokenStore.makeMemory({ accessToken, refreshToken })
  return Auth.of(
    yield* Refresher.make({ store, endpoint: yield* endpointOf(options), missing: missing([store.location]) })
  )
})

const fromStore = Effect.fnUntraced(function*(options: SignInOptions, placesBefore: ReadonlyArray<string>) {
  const store = yield* TokenStore
  const endpoint = yield* endpointOf(options)
  return Auth.of(yield* Refresher.make({ store, endpoint, missing: missing([...placesBefore, store.location]) }))
})

/**
 * The token of the environment; where it has none, `otherwise`, which is told where it was looked for. It stands below its
 * users, who therefore ask for it when they run.
 */
const fromEnvironment = <E, R>(
  otherwise: (places: ReadonlyArray<string>) => Effect.Effect<Auth["Service"], E, R>
) =>
  Effect.gen(function*() {
    const accessToken = yield* Config.withDefault(Config.Redacted("BASILICA_API_TOKEN"), undefined)
    const refreshToken = yield* Config.withDefault(Config.Redacted("BASILICA_REFRESH_TOKEN"), undefined)
    if (accessToken === undefined) {
      const place = "BASILICA_API_TOKEN in the environment"
      const alone = "(BASILICA_REFRESH_TOKEN is set, and renews nothing without the access token beside it)"
      return yield* otherwise([refreshToken === undefined ? place : `${place} ${alone}`])
    }
    return refreshToken === undefined
      ? fixed(yield* readToken(accessToken, "BASILICA_API_TOKEN"))
      : yield* fromTokens({ accessToken, refreshToken })
  })
