/** Show the person this address and this code. */
export interface ShowCode {
  readonly _tag: "ShowCode"
  /** What the person compares, or enters. */
  readonly userCode: string
  readonly verificationUri: string
  /** The address with the code in it, where the sign-in service gave one. */
  readonly verificationUriComplete: string | undefined
  readonly expiresInMillis: number
}

/** The code was not entered yet; the next question comes after the interval. */
export interface WaitingForCode {
  readonly _tag: "Waiting"
  readonly intervalMillis: number
}
