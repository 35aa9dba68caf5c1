import type { DeployIntent } from "./DeployIntent.ts"
import type { Deployment } from "./Deployment.ts"

/** What became of a deploy that a crash left behind. */
export type Reconciled =
  /** It was running, or may have been, and was stopped. */
  | { readonly _tag: "Stopped"; readonly intent: DeployIntent; readonly id: string }
  /** It runs, and is yours to stop. */
  | { readonly _tag: "Adopted"; readonly intent: DeployIntent; readonly deployment: Deployment }
  /** The service made nothing of it that can be listed. */
  | { readonly _tag: "NotCreated"; readonly intent: DeployIntent }
  /** It is not certain; it stays in the journal. */
  | {
    readonly _tag: "Unresolved"
    readonly intent: DeployIntent
    /** The deployments that it may be. */
    readonly candidates: ReadonlyArray<string>
    /** Why it is not certain. */
    readonly reason: string
  }
