/**
 * The lines that a deployment writes: the one reader of server-sent events.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { InvalidResponse } from "../errors/InvalidResponse.ts"
import { NetworkError } from "../errors/NetworkError.ts"
import type { NotFound } from "../errors/NotFound.ts"
import { isFinal } from "../schema/DeploymentStatus.ts"
import type { LogEntry, LogOptions } from "../schema/LogEntry.ts"
import { LogOptionRules } from "../schema/wire/Logs.ts"
import { reader, readId } from "./internal/Input.ts"
import { logEntries } from "./internal/LogReader.ts"
import * as Metrics from "./internal/Metrics.ts"
import { notFound, rentalStatus } from "./internal/Rentals.ts"
import { type CallError, Transport } from "./Transport.ts"

/** What a log may fail with. */
export type LogError = ConfigurationError | CallError | NotFound

/** The lines that a deployment writes. */
export class LogStream extends Context.Service<LogStream, {
  /**
   * Reads the log; with `follow`, which is the default here, until the deployment ends.
   *
   * Lines are pulled: a slow reader makes the service wait. stdout and stderr each keep their order; how they interleave
   * is not certain. A stream that ends without an error ended because the log did. A cut connection is a
   * `NetworkError`, a failure that the service reports inside the stream an `ApiError` with status 200.
   */
  follow(id: string, options?: LogOptions): Stream.Stream<LogEntry, LogError>
}>()("basilica-sdk/services/LogStream") {
  /** For `Basilica.layer`, which makes a new layer for each set of options. */
  static readonly make: Effect.Effect<LogStream["Service"], never, Transport> = Effect.map(
    Transport,
    (transport) => make(transport)
  )

  static readonly layer: Layer.Layer<LogStream, never, Transport> = Layer.effect(LogStream, LogStream.make)
}

const operation = "LogStream.follow"
const readOptions = reader(operation, LogOptionRules, "options")
const readDeploymentId = readId(operation)

const make = (transport: Transport["Service"]): LogStream["Service"] => {
  const lines = Effect.fnUntraced(function*(id: string, options: LogOptions) {
    yield* readDeploymentId(id)
    const { follow = true, tail } = yield* readOptions(options)
    const reply = yield* transport.open({
      operation,
      method: "GET",
      path: ["rentals", id, "logs"],
      query: { follow, tail },
      scope: "rentals:logs",
      onRefusal: notFound(id)
    })
    if (!reply.contentType.startsWith("text/event-stream")) {
      const reason = `the log is of type "${reply.contentType.slice(0, 100)}", not text/event-stream`
      return yield* Effect.fail(new InvalidResponse({ operation, reason, status: reply.status, outcome: "none" }))
    }
    const entries = logEntries(operation)(reply.body)
    return follow ? Stream.concat(entries, Stream.fromEffectDrain(confirmEnd(id))) : entries
  })

  /** The end of a followed body does not say why it ended: only the status tells a finished deployment from a cut. */
  const confirmEnd = (id: string): Effect.Effect<void, CallError> =>
    rentalStatus(transport, operation, id).pipe(
      Effect.map(isFinal),
      Effect.catchTag("NotFound", () => Effect.succeed(true)),
      Effect.repeat({ schedule: endPoll, until: (ended) => ended }),
      Effect.flatMap((ended) =>
        ended ? Effect.void : Effect.fail(
          new NetworkError({
            operation,
            phase: "body",
            reason: "the service closed the log while the deployment still runs",
            outcome: "none"
          })
        )
      )
    )

  return LogStream.of({
    follow: (id, options = {}) =>
      Stream.unwrap(lines(id, options)).pipe(
        Stream.mapArrayEffect((entries) => Effect.as(Metrics.countLogLines(entries.length), entries)),
        Stream.withSpan(operation, { attributes: { deployment: id } })
      )
  })
}

/** The service notices within 40 seconds that a container has ended: it looks every 30, for at most 10. */
const endPoll = Schedule.exponential("250 millis").pipe(Schedule.upTo({ duration: "45 seconds" }))
