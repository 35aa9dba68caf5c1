import { sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { Outcome } from "./Outcome.ts"

/** The service refused a deployment, or one that existed ended where it should have run. */
export class DeploymentError extends TaggedError("DeploymentError")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** The service's words, or what became of the deployment. */
  readonly reason: string
  /** What to do next. */
  readonly remedy: string
  /** The deployment, where there is one. */
  readonly id?: string | undefined
  readonly status?: number | undefined
  readonly code?: string | undefined
  /** What is known of the work behind the call. */
  readonly outcome: Outcome
  /** The id that the service gave to the request, for a question to its makers. */
  readonly requestId?: string | undefined
}> {
  readonly retryable = false

  override get message(): string {
    const what = this.id === undefined ? " was refused" : `: deployment ${this.id}`
    return `${this.operation}${what}: ${sentence(this.reason)} ${this.remedy}`
  }
}
