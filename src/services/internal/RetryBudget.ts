import * as Effect from "effect/Effect"
import * as Metrics from "./Metrics.ts"

const capacity = 500
const cost = 5

/**
 * What all calls of a client may spend on retries together, so that many callers of a dead service do not multiply their
 * requests. A retry costs 5 tokens; a call that succeeds after a retry gives the cost of its last one back, one that
 * succeeds at once gives 1. These are the figures of the AWS SDKs.
 */
export interface RetryBudget {
  /** Pays for a retry: the cost, or 0 where too little is left. */
  readonly pay: Effect.Effect<number>
  /** Gives back after a success: the cost of the last retry, 0 where there was none. */
  readonly refund: (lastCost: number) => Effect.Effect<void>
}

export const make = (): RetryBudget => {
  let tokens = capacity
  return {
    pay: Effect.suspend(() => {
      if (tokens < cost) return Effect.succeed(0)
      tokens -= cost
      return Effect.as(Metrics.setRetryBudget(tokens), cost)
    }),
    refund: (lastCost) =>
      Effect.suspend(() => {
        if (tokens === capacity) return Effect.void
        tokens = Math.min(capacity, tokens + Math.max(1, lastCost))
        return Metrics.setRetryBudget(tokens)
      })
  }
}
