import { sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"

/**
 * A deploy was sent once and its reply was lost or not conclusive: a machine may be running and billed. It was not sent
 * a second time.
 */
export class DeployOutcomeUnknown extends TaggedError("DeployOutcomeUnknown")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** The machine that was asked for, or chosen by the SDK. */
  readonly executorId: string
  readonly image: string
  /** When the request was sent, RFC 3339. */
  readonly sentAt: string
  /** Deployments that may be the one: on that machine, with that image, and not there before. */
  readonly candidates: ReadonlyArray<string>
  /** What made the outcome unknown. */
  readonly reason: string
}> {
  /** It may have been done: look first. */
  readonly outcome = "unknown"
  readonly retryable = false

  override get message(): string {
    const found = this.candidates.length === 0
      ? "No deployment that could be it is listed yet."
      : `It may be: ${this.candidates.join(", ")}.`
    return `${this.operation} of ${this.image} on executor ${this.executorId} has an unknown outcome: ${
      sentence(this.reason)
    } ${found} ` +
      "Look with Deployments.list and stop what you do not want before you deploy again: it may be running and billed."
  }
}
