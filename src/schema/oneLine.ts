/**
 * What a stranger wrote, fit to be shown: one line of at most so many characters, without a control character, one that
 * cannot be seen or turns the direction of the text, or half of a character.
 */
export const oneLine = (text: string, limit: number): string => {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, " ").trim()
  return line.length <= limit ? line : line.slice(0, limit).replace(/[\uD800-\uDBFF]$/, "")
}
