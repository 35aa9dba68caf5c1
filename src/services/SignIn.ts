import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { signInDefaults as defaults, type SignInOptions } from "../schema/SignInOptions.ts"
import { invalid } from "./Input.ts"
import * as BaseUrl from "./internal/BaseUrl.ts"
import { isPrintable } from "./internal/Token.ts"

/** The options with everything filled in and checked. */
export interface SignInSettings {
  /** The URL of the sign-in service, without a slash at its end. */
  readonly issuer: string
  readonly clientId: string
  readonly audience: string
}

/** Fills in what the options leave out, and checks the whole. */
export const signInSettings = Effect.fnUntraced(function*(
  options: SignInOptions
): Effect.fn.Return<SignInSettings, ConfigurationError> {
  const domain = (options.domain ?? (yield* around(Config.String("BASILICA_AUTH0_DOMAIN"), defaults.domain))).trim()
  const clientId = options.clientId ?? (yield* around(Config.String("BASILICA_AUTH0_CLIENT_ID"), defaults.clientId))
  const audience = options.audience ?? (yield* around(Config.String("BASILICA_AUTH0_AUDIENCE"), defaults.audience))
  const issuer = yield* Effect.fromResult(
    BaseUrl.parse(domain.includes("://") ? domain : `https://${domain}`, "signIn.domain")
  )
  if (!isPrintable(clientId)) return yield* invalid(name, "signIn.clientId", "is not right; allowed: printable ASCII")
  if (!isPrintable(audience)) return yield* invalid(name, "signIn.audience", "is not right; allowed: printable ASCII")
  return { issuer, clientId, audience }
})

const name = "Basilica"

const around = (setting: Config.Config<string>, otherwise: string) =>
  Effect.catch(
    Config.withDefault(setting, otherwise),
    ({ message }) => invalid(name, "environment", `cannot be read: ${message}`)
  )
