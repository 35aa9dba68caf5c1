import * as Predicate from "effect/Predicate"
import { jsonOf } from "../jsonOf.ts"
import { oneLine } from "../oneLine.ts"

/** How much of the service's words is kept, in characters. */
export const reasonLimit = 2048

/** What can be read of a failure's body. */
export interface ErrorWords {
  readonly code: string | undefined
  /** The service's own words, at most {@link reasonLimit} characters; `""` where there are none. */
  readonly reason: string
}

/**
 * Reads the body of a failure in each shape that occurs: the envelope, an `error` that is text, plain text, a proxy's
 * HTML, and nothing. `hide` takes out of it what must not be shown.
 */
export const parseErrorBody = (body: string, hide: (words: string) => string = (words) => words): ErrorWords => {
  const cut = (words: string) => oneLine(hide(words), reasonLimit)
  const parsed = jsonOf(body)
  if (Predicate.isObject(parsed)) {
    const { error, message } = parsed as { readonly error?: unknown; readonly message?: unknown }
    if (Predicate.isObject(error)) {
      const inner = error as { readonly code?: unknown; readonly message?: unknown }
      return { code: codeOf(hide(text(inner.code) ?? "")), reason: cut(text(inner.message) ?? "") }
    }
    if (Predicate.isString(error)) {
      return /^[A-Z][A-Z0-9_]+$/.test(error)
        ? { code: codeOf(hide(error)), reason: cut(text(message) ?? "") }
        : { code: undefined, reason: cut([error, text(message)].filter(Predicate.isNotUndefined).join(": ")) }
    }
  }
  return { code: undefined, reason: cut(/^\s*<(?:!doctype|html)/i.test(body) ? wordsOf(body) : body) }
}

const text = (value: unknown): string | undefined => Predicate.isString(value) && value !== "" ? value : undefined

/** A code is a word; anything else is none. */
const codeOf = (code: string): string | undefined => /^[\w.-]{1,128}$/.test(code) ? code : undefined

// A tag ends before the next one begins: otherwise many that never end would take time without end.
const wordsOf = (html: string): string => {
  const title = /<title>([^<]*)/i.exec(html)?.[1] ?? ""
  const words = title.trim() === "" ? html.replace(/<[^<>]*>/g, " ") : title
  return words.trim() === "" ? "a page without words" : words
}
