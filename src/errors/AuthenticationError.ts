import { TaggedError } from "./internal/TaggedError.ts"
import type { Outcome } from "./Outcome.ts"

/** There is no token, or the service does not accept it (401). */
export class AuthenticationError extends TaggedError("AuthenticationError")<{
  readonly operation: string
  /** What was wrong, in the service's words where it gave any. */
  readonly reason: string
  /** What to do about it. */
  readonly remedy: string
  /** The service's code, such as `BASILICA_API_AUTH_ERROR`. */
  readonly code?: string | undefined
  readonly requestId?: string | undefined
}> {
  readonly outcome: Outcome = "none"
  readonly retryable: boolean = false

  override get message(): string {
    return `${this.operation} was not authenticated: ${this.reason}. ${this.remedy}`
  }
}
