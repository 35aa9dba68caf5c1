/** Words of somebody else, ended as a sentence. */
export const sentence = (words: string): string => /[.!?]$/.test(words) ? words : `${words}.`

/** What it means that a stop was not allowed. */
export const runsOn = (id: string | undefined): string =>
  id === undefined ? "" : ` Deployment ${id} may be running and billed.`

/** What to do where the outcome is unknown. */
export const lookFirst = "The request may have been carried out: check before you send it again."
