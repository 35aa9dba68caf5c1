import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConfigurationError } from "../../errors/ConfigurationError.ts"
import { invalid } from "../Input.ts"
import { readSubject } from "./Jwt.ts"

/** Whether a text can travel in a header as it is: printable ASCII without white space. */
export const isPrintable = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

/** API keys are never renewed. */
export const isApiKey = (token: Redacted.Redacted): boolean => Redacted.value(token).startsWith("basilica_")

/**
 * Whose deployments a token sees, as far as it says that: the subject of an access token, or the public part of an API key,
 * which is `basilica_` and 64 characters, of which the first 21 are the key's id and no part of its secret.
 */
export const accountOf = (token: Redacted.Redacted): string | undefined => {
  const key = /^basilica_([A-Za-z0-9_-]{21})[A-Za-z0-9_-]{43}$/.exec(Redacted.value(token))
  return key?.[1] ?? readSubject(Redacted.value(token))
}

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
  // Whoever writes no types may give anything.
  const given: unknown = Redacted.isRedacted(token) ? Redacted.value(token) : token
  const value = typeof given === "string" ? given.trim() : undefined
  if (value !== undefined && isPrintable(value)) return Effect.succeed(secret(value))
  const problem = value === undefined
    ? "is not text"
    : value === ""
    ? "is empty"
    : "holds white space or a character that a header cannot carry"
  return invalid("Basilica", field, `${problem}; allowed: printable ASCII, as the service gave it out`)
}
