/** Words of somebody else, ended as a sentence. */
export const sentence = (words: string): string => /[.!?]$/.test(words) ? words : `${words}.`

/** What to do where the outcome is unknown. */
export const lookFirst = "What was asked for may have been done; look before you ask again."
