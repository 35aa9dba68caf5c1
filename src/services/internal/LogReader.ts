/**
 * Makes log lines of the bytes of a stream of server-sent events.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Predicate from "effect/Predicate"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { ApiError } from "../../errors/ApiError.ts"
import { InvalidResponse } from "../../errors/InvalidResponse.ts"
import type { LogEntry } from "../../schema/LogEntry.ts"
import type { LogEventWire } from "../../schema/wire/Logs.ts"

/** The longest event that is read, in characters. The service's own are below 25 KiB. */
const maxEventSize = 1024 * 1024

/**
 * The lines in a stream of bytes. An event with `stream: "error"` is no line: it says that the service's own reader
 * failed, and becomes an `ApiError` once all lines before it were handed out.
 */
export const logEntries =
  (operation: string) => <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<LogEntry, E | LogReadError> =>
    Stream.transformPull(bytes, (pull) =>
      Effect.sync(() => {
        const read = makeReader(operation)
        let failure: LogReadError | undefined
        const next: Pull.Pull<Arr.NonEmptyReadonlyArray<LogEntry>, E | LogReadError> = Effect.suspend(() => {
          if (failure !== undefined) return Effect.fail(failure)
          return Effect.flatMap(pull, (chunks) => {
            const batch = read(chunks)
            failure = batch.failure
            return Arr.isReadonlyArrayNonEmpty(batch.entries) ? Effect.succeed(batch.entries) : next
          })
        })
        return next
      }))

/** What can be wrong inside a stream whose connection holds. */
export type LogReadError = ApiError | InvalidResponse

interface Batch {
  readonly entries: ReadonlyArray<LogEntry>
  readonly failure: LogReadError | undefined
}

const makeReader = (operation: string): (chunks: Arr.NonEmptyReadonlyArray<Uint8Array>) => Batch => {
  // The parser drops the byte order mark itself; a decoder that drops one too would let a second one slip through.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  let entries: Array<LogEntry> = []
  let failure: LogReadError | undefined
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Retry" || failure !== undefined) return
    const entry = readEvent(operation, event.data)
    if (Predicate.isTagged(entry, "ApiError") || Predicate.isTagged(entry, "InvalidResponse")) failure = entry
    else if (entry !== undefined) entries.push(entry)
  }, { maxEventSize })
  return (chunks) => {
    entries = []
    for (const chunk of chunks) {
      if (parser.feed(decoder.decode(chunk, { stream: true })) !== undefined) {
        failure ??= invalid(operation, `an event is longer than ${maxEventSize} characters`)
      }
    }
    return { entries, failure }
  }
}

/** A heartbeat, which later dialects send, has no message: it is not a line. */
const readEvent = (operation: string, data: string): LogEntry | LogReadError | undefined => {
  const event = parse(data)
  if (!Predicate.isObject(event)) return invalid(operation, "an event of the log is not a JSON object")
  // Checked by hand, not by a schema: this runs for every line, and a schema costs half of the throughput.
  const { message, stream, timestamp } = event as Partial<Record<keyof typeof LogEventWire.Type, unknown>>
  if (message === undefined) return undefined
  if (typeof message !== "string" || typeof stream !== "string" || typeof timestamp !== "string") {
    return invalid(operation, "an event of the log has no text in message, stream or timestamp")
  }
  if (stream !== "error") return { timestamp, stream, message }
  return new ApiError({
    operation,
    status: 200,
    reason: message.slice(0, 2048),
    retryable: true,
    outcome: "none"
  })
}

const invalid = (operation: string, reason: string) =>
  new InvalidResponse({ operation, reason, status: 200, outcome: "none" })

const parse = (data: string): unknown => {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}
