/**
 * A text that somebody else wrote, for a terminal: what would move the cursor, change colours, make a link or turn the
 * direction of the text is spelled out instead.
 */
export const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => character === "\t" ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`
  )
