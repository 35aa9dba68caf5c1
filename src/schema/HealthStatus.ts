import type { Timestamp } from "./Timestamp.ts"

/** What the service says of itself. Today's service sends constants: it proves that it answers, no more. */
export interface HealthStatus {
  /** `healthy`, or what else the service says. */
  readonly status: string
  readonly version: string
  /** The service's clock. */
  readonly timestamp: Timestamp
  readonly healthyValidators: number
  readonly totalValidators: number
}
