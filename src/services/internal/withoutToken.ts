import type * as HttpClientResponse from "effect/http/HttpClientResponse"

/** A shorter piece of a token is of no use to anybody, and may well be a word. */
const piece = 16
/** What is shorter is no real token, and may be any word. */
const leastToken = 8

/**
 * Makes a function that takes the token of a request out of the words of its reply: services repeat what they refuse.
 * Pieces of it go too, from 16 characters on.
 */
export const withoutTokenOf = (response: HttpClientResponse.HttpClientResponse): (words: string) => string => {
  const token = response.request.headers["authorization"]?.replace(/^Bearer /, "") ?? ""
  return hider(token)
}

/** Holds the token alone: a log has one for as long as it is followed. */
const hider = (token: string) => (words: string): string =>
  token.length < leastToken ? words : withoutToken(words, token)

const withoutToken = (words: string, token: string): string => {
  const size = Math.min(piece, token.length)
  const pieces = new Set(Array.from({ length: token.length - size + 1 }, (_, at) => token.slice(at, at + size)))
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
