/**
 * What a client is set up with, whichever its face.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { reader } from "./Input.ts"
import * as BaseUrl from "./internal/BaseUrl.ts"

/** Refuses what is no object of options, and an option of another name: misspelt, it would be missed too late. */
export const optionsReader = (
  operation: string,
  names: ReadonlyArray<string>
): (options: unknown) => Effect.Effect<unknown, ConfigurationError> =>
  reader(
    operation,
    Schema.Struct(Object.fromEntries(names.map((name) => [name, Schema.optional(Schema.Unknown)]))),
    "options"
  )

/** The base URL that the environment names, or Basilica's own. */
export const baseUrlOfEnvironment: Effect.Effect<string, ConfigurationError | Config.ConfigError> = Effect.flatMap(
  Config.withDefault(Config.String("BASILICA_API_URL"), BaseUrl.defaultBaseUrl),
  (url) => Effect.fromResult(BaseUrl.parse(url, "BASILICA_API_URL"))
)
