import * as Predicate from "effect/Predicate"

/** What a token says of its own time, in milliseconds. Nothing is verified: the service does that. */
export interface JwtTimes {
  readonly issuedAtMillis: number | undefined
  readonly expiresAtMillis: number | undefined
}

/** Longer ones are no tokens of this service; the limit bounds the work. */
const maxLength = 64 * 1024

/** Reads when a token was issued and when it expires. What is not a JWT says neither; nothing makes it throw. */
export const readTimes = (token: string): JwtTimes => {
  const { exp, iat } = readClaims(token)
  return { issuedAtMillis: toMillis(iat), expiresAtMillis: toMillis(exp) }
}

/** Reads whose a token is. What is not a JWT does not say it; nothing makes it throw. */
export const readSubject = (token: string): string | undefined => {
  const { sub } = readClaims(token)
  return typeof sub === "string" ? sub : undefined
}

interface Claims {
  readonly exp?: unknown
  readonly iat?: unknown
  readonly sub?: unknown
}

const readClaims = (token: string): Claims => {
  if (token.length > maxLength) return {}
  const parts = token.split(".")
  const [, payload = ""] = parts
  if (parts.length !== 3 || !/^[A-Za-z0-9_-]+$/.test(payload)) return {}
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return Predicate.isObject(claims) ? claims : {}
  } catch {
    return {}
  }
}

/** Seconds since 1970, up to the year 9999. */
const toMillis = (seconds: unknown): number | undefined =>
  typeof seconds === "number" && seconds >= 0 && seconds < 253_402_300_800 ? seconds * 1000 : undefined
