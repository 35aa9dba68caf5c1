import { sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"

/** A stop was sent and nothing proves that it worked: the machine may be running and billed. */
export class StopUnconfirmed extends TaggedError("StopUnconfirmed")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  readonly id: string
  /** Why there is no proof. */
  readonly reason: string
  /** The last status seen, where there was one. */
  readonly lastSeen?: { readonly _tag: string; readonly raw: string } | undefined
}> {
  /** It may have been done: look first. */
  readonly outcome = "unknown"
  readonly retryable = true

  override get message(): string {
    const seen = this.lastSeen === undefined ? "" : ` Its last status was ${this.lastSeen._tag}.`
    return `${this.operation}: nothing proves that deployment ${this.id} has stopped: ${
      sentence(this.reason)
    }${seen} ` +
      "It may be running and billed: stop it again, and look with Deployments.list."
  }
}
