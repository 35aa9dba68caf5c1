import type * as HttpClientResponse from "effect/http/HttpClientResponse"

/** A shorter piece of a secret is of no use to anybody, and may well be a word. */
const piece = 16
/** What is shorter is no real secret, and may be any word. */
const leastSecret = 8

/**
 * Makes a function that takes the token of a request out of the words of its reply, and the other secrets that were sent
 * with it, as they are and as JSON writes them: services repeat what they refuse. Pieces go too, from 16 characters on.
 */
export const withoutTokenOf = (
  response: HttpClientResponse.HttpClientResponse,
  secrets: ReadonlyArray<string> = []
): (words: string) => string => {
  const token = response.request.headers["authorization"]?.replace(/^Bearer /, "") ?? ""
  return hider([token, ...secrets])
}

/** Holds the secrets alone: a log has one for as long as it is followed. */
const hider = (secrets: ReadonlyArray<string>) => (words: string): string =>
  words === "" ? words : secrets.reduce((rest, secret) => {
    if (secret.length < leastSecret) return rest
    const escaped = JSON.stringify(secret).slice(1, -1)
    return without(escaped === secret ? rest : without(rest, escaped), secret)
  }, words)

const without = (words: string, secret: string): string => {
  const size = Math.min(piece, secret.length)
  const pieces = new Set(Array.from({ length: secret.length - size + 1 }, (_, at) => secret.slice(at, at + size)))
  let kept = ""
  let from = 0
  for (let at = 0; at + size <= words.length; at++) {
    if (!pieces.has(words.slice(at, at + size))) continue
    let end = at + size
    while (end < words.length && pieces.has(words.slice(end - size + 1, end + 1))) end++
    kept += `${words.slice(from, at)}<redacted>`
    from = end
    at = end - 1
  }
  return kept + words.slice(from)
}
