import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ConfigurationError } from "../../errors/ConfigurationError.ts"

/** Whether a text can travel in a header as it is: printable ASCII without white space. */
export const isPrintable = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

/** API keys are never renewed. */
export const isApiKey = (token: Redacted.Redacted): boolean => Redacted.value(token).startsWith("basilica_")

/** Whether two tokens are the same one. */
export const sameToken = (one: Redacted.Redacted | undefined, other: Redacted.Redacted | undefined): boolean =>
  one === undefined || other === undefined ? one === other : Redacted.value(one) === Redacted.value(other)

/** A secret that shows as `<redacted:token>`. */
export const secret = (value: string): Redacted.Redacted => Redacted.make(value, { label: "token" })

/** Reads a token that the user gave; white space around it is cut off. The error never repeats it. */
export const readToken = (
  token: string | Redacted.Redacted,
  field: string
): Effect.Effect<Redacted.Redacted, ConfigurationError> => {
  const value = (typeof token === "string" ? token : Redacted.value(token)).trim()
  if (isPrintable(value)) return Effect.succeed(secret(value))
  const problem = value === "" ? "is empty" : "holds white space or a character that a header cannot carry"
  return Effect.fail(
    new ConfigurationError({
      operation: "Basilica",
      problems: [{ field, problem: `${problem}; allowed: printable ASCII, as the service gave it out` }]
    })
  )
}
