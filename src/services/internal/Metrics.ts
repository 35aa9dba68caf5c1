import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const calls = Metric.counter("basilica_calls_total", {
  description: "Calls, by operation and outcome",
  incremental: true
})
const retries = Metric.counter("basilica_retries_total", { description: "Attempts after the first", incremental: true })
const logLines = Metric.counter("basilica_log_lines_total", { description: "Log lines handed out", incremental: true })
const logReconnects = Metric.counter("basilica_log_reconnects_total", {
  description: "Connections of followed logs after the first",
  incremental: true
})
const logGaps = Metric.counter("basilica_log_gaps_total", {
  description: "Places where lines of a log may be missing",
  incremental: true
})

const retryBudget = Metric.gauge("basilica_retry_budget_tokens", { description: "What is left for retries, of 500" })

/** Shows what is left of the retry budget of the client that changed it last. */
export const setRetryBudget = (tokens: number): Effect.Effect<void> => Metric.update(retryBudget, tokens)

/** Counts a call that ended; the outcome is `ok`, or the tag of its error. */
export const countCall = (operation: string, outcome: string): Effect.Effect<void> => {
  // There are as many as there are operations and tags, and making one is dearer than using it.
  const key = `${operation} ${outcome}`
  let counter = callsBy.get(key)
  if (counter === undefined) callsBy.set(key, counter = Metric.withAttributes(calls, { operation, outcome }))
  return Metric.update(counter, 1)
}

// Not as `attributes` of the counter: those of the program (`Metric.CurrentMetricAttributes`) would go before them.
const callsBy = new Map<string, typeof calls>()

/** Counts an attempt after the first. */
export const countRetry = (operation: string): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(retries, { operation }), 1)

/** Counts log lines that are handed to the reader: one step, since it is done for each line that comes alone. */
export const countLogLines = <A extends ReadonlyArray<unknown>>(lines: A): Effect.Effect<A> =>
  Effect.withFiber((fiber) => {
    logLines.updateUnsafe(lines.length, fiber.context)
    return Effect.succeed(lines)
  })

/** Counts that a followed log connects again. */
export const countLogReconnect: Effect.Effect<void> = Metric.update(logReconnects, 1)

/** Counts a place where lines may be missing. */
export const countLogGap: Effect.Effect<void> = Metric.update(logGaps, 1)
