/** A refresh token that was given out. All that come from one sign-in are a family. */
interface Given<SignIn> {
  readonly family: Family<SignIn>
  usedAtMillis: number | undefined
  /** What was given for it the last time. */
  successor: Given<SignIn> | undefined
}

interface Family<SignIn> {
  readonly signIn: SignIn
  revoked: boolean
}

/**
 * Refresh tokens that are good for one use. One that is used again was stolen, by the one who uses it or by the one who
 * did before: so its whole family is revoked. Only within the overlap is the token before the newest one taken again.
 */
export class RefreshTokens<SignIn> {
  readonly #given = new Map<string, Given<SignIn>>()
  readonly #overlapMillis: number

  constructor(overlapMillis: number) {
    this.#overlapMillis = overlapMillis
  }

  /** Adds the first token of a sign-in. */
  begin(token: string, signIn: SignIn): void {
    this.#given.set(token, { family: { signIn, revoked: false }, usedAtMillis: undefined, successor: undefined })
  }

  /** Uses a token up and puts the next one in its place. Says whose it is, or `undefined` where it is of no use. */
  rotate(token: string, next: string, nowMillis: number): SignIn | undefined {
    const found = this.#given.get(token)
    if (found === undefined) return undefined
    const { family, successor, usedAtMillis } = found
    if (usedAtMillis !== undefined) {
      const overlapping = nowMillis < usedAtMillis + this.#overlapMillis && successor?.usedAtMillis === undefined
      if (!overlapping) family.revoked = true
    }
    if (family.revoked) return undefined
    found.usedAtMillis ??= nowMillis
    found.successor = { family, usedAtMillis: undefined, successor: undefined }
    this.#given.set(next, found.successor)
    return family.signIn
  }

  /** Revokes a token with its family. */
  revoke(token: string): void {
    const found = this.#given.get(token)
    if (found !== undefined) found.family.revoked = true
  }
}
