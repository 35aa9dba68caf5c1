import * as Result from "effect/Result"
import { ConfigurationError } from "../../errors/ConfigurationError.ts"

/** Where the service is, if nothing else is said. */
export const defaultBaseUrl = "https://api.basilica.ai"

/**
 * Reads a base URL: https, or http to this machine alone, without a user name, a query or a fragment. A path stays as a
 * prefix. `field` is the name of the option for the error.
 */
export const parse = (text: unknown, field = "baseUrl"): Result.Result<string, ConfigurationError> => {
  const problem = problemOf(text)
  return problem === undefined
    ? Result.succeed(new URL(String(text)).href.replace(/\/+$/, ""))
    : Result.fail(new ConfigurationError({ operation: "Basilica", problems: [{ field, problem }] }))
}

const allowed = "allowed: a URL with https://, or with http:// to localhost, 127.0.0.0/8 or [::1] alone"

const problemOf = (text: unknown): string | undefined => {
  if (typeof text !== "string" || !/^https?:\/\//i.test(text.trim())) return `does not begin with https://; ${allowed}`
  if (!URL.canParse(text)) return `is not a URL; ${allowed}`
  const { hash, hostname, password, protocol, search, username } = new URL(text)
  if (protocol === "http:" && !isLoopback(hostname)) return `is not encrypted; ${allowed}`
  if (username !== "" || password !== "") return "holds a user name or password; allowed: none, the token is an option"
  if (search !== "" || hash !== "") return "holds a query or fragment; allowed: none"
  return undefined
}

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname)
