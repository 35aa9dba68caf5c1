import { sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"

/** What was asked for collides with what is there (409): an API key of that name, or ten keys already. */
export class Conflict extends TaggedError("Conflict")<{
  readonly operation: string
  /** The service's words. */
  readonly reason: string
  readonly code?: string | undefined
  readonly requestId?: string | undefined
}> {
  readonly outcome = "none"
  readonly retryable = false

  override get message(): string {
    const words = this.reason === "" ? " without a word." : `: ${sentence(this.reason)}`
    return `${this.operation} was refused (409)${words} Choose another name, or revoke what is in the way.`
  }
}
