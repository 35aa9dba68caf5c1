/** What every call takes. */
export interface CallOptions {
  /** Cancels the call: the promise rejects with the signal's reason, the connection closes. */
  readonly signal?: AbortSignal | undefined
}
