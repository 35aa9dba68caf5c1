import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"

/** There is no such thing, or it belongs to somebody else (404). A deployment that was stopped is not found any more. */
export class NotFound extends TaggedError("NotFound")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  readonly resource: "deployment" | "executor" | "API key"
  readonly id: string
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  /** Nothing was done. */
  readonly outcome = "none"
  readonly retryable = false

  override get message(): string {
    const hint = {
      "deployment": "It may have been stopped, or belong to another account; Deployments.list shows yours.",
      "executor": "It may be rented or offline; Executors.listAvailable shows what is free.",
      "API key": "ApiKeys.list shows yours."
    }
    return `${this.operation}: there is no ${this.resource} "${this.id}". ${hint[this.resource]}`
  }
}
