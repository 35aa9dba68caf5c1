import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { ConfigurationError, type ConfigurationProblem } from "../errors/ConfigurationError.ts"
import { signInDefaults as defaults, type SignInOptions } from "../schema/SignInOptions.ts"
import * as BaseUrl from "./internal/BaseUrl.ts"
import { isPrintable } from "./internal/Token.ts"

/** The options with everything filled in and checked. */
export interface SignInSettings {
  /** The URL of the sign-in service, without a slash at its end. */
  readonly issuer: string
  readonly clientId: string
  readonly audience: string
}

const environment = Config.all({
  domain: Config.withDefault(Config.String("BASILICA_AUTH0_DOMAIN"), defaults.domain),
  clientId: Config.withDefault(Config.String("BASILICA_AUTH0_CLIENT_ID"), defaults.clientId),
  audience: Config.withDefault(Config.String("BASILICA_AUTH0_AUDIENCE"), defaults.audience)
})

/** Fills in what the options leave out, and checks the whole. */
export const signInSettings = Effect.fnUntraced(function*(
  options: SignInOptions
): Effect.fn.Return<SignInSettings, ConfigurationError> {
  const around = yield* Effect.catch(environment, (error) => invalid("environment", `cannot be read: ${error.message}`))
  const domain = (options.domain ?? around.domain).trim()
  const clientId = options.clientId ?? around.clientId
  const audience = options.audience ?? around.audience
  const issuer = yield* Effect.fromResult(
    BaseUrl.parse(domain.includes("://") ? domain : `https://${domain}`, "signIn.domain")
  )
  if (!isPrintable(clientId)) return yield* invalid("signIn.clientId", "is not right; allowed: printable ASCII")
  if (!isPrintable(audience)) return yield* invalid("signIn.audience", "is not right; allowed: printable ASCII")
  return { issuer, clientId, audience }
})

const invalid = (
  field: ConfigurationProblem["field"],
  problem: string
): Effect.Effect<never, ConfigurationError> =>
  Effect.fail(new ConfigurationError({ operation: "Basilica", problems: [{ field, problem }] }))
