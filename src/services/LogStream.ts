/**
 * The lines that a deployment writes: the one reader of server-sent events.
 */
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import type { LogGap } from "../errors/LogGap.ts"
import type { NotFound } from "../errors/NotFound.ts"
import { LogCursor } from "../schema/LogCursor.ts"
import type { LogEntry, LogOptions } from "../schema/LogEntry.ts"
import { LogOptionRules } from "../schema/wire/Logs.ts"
import { invalid, reader, readId } from "./Input.ts"
import { follower } from "./internal/LogFollower.ts"
import { stream, StreamName } from "./internal/tracing.ts"
import { Watch } from "./internal/Watch.ts"
import { type CallError, Transport } from "./Transport.ts"

/** What a log may fail with. */
export type LogError = ConfigurationError | CallError | NotFound | LogGap

/** The lines that a deployment writes. */
export class LogStream extends Context.Service<LogStream, {
  /**
   * Reads the log; with `follow`, which is the default here, until the deployment ends.
   *
   * Lines are pulled: a slow reader makes the service wait. stdout and stderr each keep their order; how they interleave
   * is not certain. A followed log goes on behind whatever cuts it: the connection, the service's own limit of 15
   * minutes, its restart, a machine that slept. No line is lost, none comes twice.
   *
   * A stream that ends without an error ended because the deployment did or, without `follow`, because the log was read
   * to its end. Everything else is an error with a `cursor`, from which another reading can go on: `LogGap` where the log
   * does not reach back any more to where it was read, otherwise what stood in the way of connecting again. Without
   * `follow` that is the first cut: a `NetworkError`, or an `ApiError` with status 200 for a failure that the service
   * reports inside the log.
   */
  follow(id: string, options?: LogOptions): Stream.Stream<LogEntry, LogError>
}>()("basilica-sdk/services/LogStream") {
  /** The service over a `Transport`. */
  static readonly layer: Layer.Layer<LogStream, never, Transport> = Layer.effect(
    LogStream,
    Transport.useSync((transport) => make(transport))
  )
}

const name = "LogStream.follow"
const readOptions = reader(name, LogOptionRules, "options")

const make = (transport: Transport["Service"]): LogStream["Service"] => {
  const watch = new Watch()
  const begin = Effect.fnUntraced(function*(scope: Scope.Scope, id: string, options: LogOptions) {
    const operation = (yield* StreamName) ?? name
    yield* readId(operation, id)
    const { follow = true, from, maxReconnects = 20, onGap = "fail", tail } = yield* readOptions(options, operation)
    if (from !== undefined && (from.id !== id || tail !== undefined)) {
      const problem = tail === undefined
        ? "is a place in the log of another deployment; allowed: a cursor of this one"
        : "is not for use with tail; allowed: one of them"
      return yield* invalid(operation, "from", problem)
    }
    return yield* follower(transport, watch, scope, {
      operation,
      follow,
      from: from ?? LogCursor.start(id, { tail }),
      onGap,
      maxReconnects
    })
  })

  return LogStream.of({
    follow: (id, options = {}) =>
      stream(name, { deployment: id })(
        Stream.fromChannel(Channel.fromTransform((_upstream, scope) => begin(scope, id, options)))
      )
  })
}
