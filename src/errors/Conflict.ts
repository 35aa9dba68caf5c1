import { sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"

/** What was asked for collides with what is there (409): an API key of that name, or ten keys already. */
export class Conflict extends TaggedError("Conflict")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** The service's words. */
  readonly reason: string
  readonly code?: string | undefined
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
}> {
  /** Nothing was done. */
  readonly outcome = "none"
  readonly retryable = false

  override get message(): string {
    const words = this.reason === "" ? " with no message." : `: ${sentence(this.reason)}`
    return `${this.operation} was refused (409)${words} Choose another name, or revoke what is in the way.`
  }
}
