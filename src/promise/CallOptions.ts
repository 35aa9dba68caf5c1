import { ConfigurationError } from "../errors/ConfigurationError.ts"

/** What every call takes. */
export interface CallOptions {
  /** Cancels the call: the promise rejects with the signal's reason, the connection closes. */
  readonly signal?: AbortSignal | undefined
}

/** Whether it is a signal, also one of another realm or of a polyfill. */
const isSignal = (value: unknown): value is AbortSignal =>
  typeof Object(value).aborted === "boolean" && typeof Object(value).addEventListener === "function"

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null

/** The signal of a call, or why it has none. A signal that nobody listens to costs money, and nobody misses it in time. */
export const signalOf = (options: CallOptions = {}): AbortSignal | undefined | ConfigurationError => {
  const { signal, ...unknown } = Object(options) as CallOptions
  const isRight = typeof options === "object" && options !== null && !isSignal(options) &&
    Object.keys(unknown).length === 0 && (signal === undefined || isSignal(signal))
  return isRight ? signal : new ConfigurationError({
    operation: "BasilicaClient",
    problems: [{ field: "options", problem: "of a call are not right; allowed: { signal }, with an AbortSignal" }]
  })
}

/**
 * Has a signal refused that stands in the place of an argument, and what is no object for options, such as `null` or a
 * number: a method that takes its options apart would not see it. Such options have a default, so that they do not count in the `length` of the method.
 */
export const refusingSignals = <Client extends object>(client: Client): Client =>
  Object.fromEntries(
    Object.entries(client).map(([name, call]) => [
      name,
      (...args: ReadonlyArray<unknown>) =>
        call(...args.map((one, index) =>
          isSignal(one) || (index >= call.length && one !== undefined && !isObject(one)) ? { signal: "misplaced" } : one
        ))
    ])
  ) as Client
