import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Clock from "effect/Clock"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FileSystem from "node:fs/promises"
import * as Path from "node:path"
import type { Readable } from "node:stream"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import {
  type Container,
  ContainerFailure,
  ContainerRuntime,
  type ContainerSpec,
  type ContainerState
} from "../server/ContainerRuntime.ts"
import { invalid } from "../services/Input.ts"
import * as LogLines from "./LogLines.ts"
import * as LogStore from "./LogStore.ts"
import * as PortForward from "./PortForward.ts"
import * as ProcessGroup from "./ProcessGroup.ts"

/** What the process runtime can be told. */
export interface ProcessRuntimeOptions {
  /** Where each rental gets a directory, with its log and the one that it runs in. Must exist. */
  readonly directory: string
  /** How long a command may take to end when it is stopped, before it is forced to. Default: 10 seconds. */
  readonly stopGrace?: Duration.Input | undefined
}

/** What runs where no command is given, since there is no image to have one: it idles until it is stopped. */
const idle: readonly [string, ...Array<string>] = ["/bin/sh", "-c", "while :; do sleep 86400; done"]

/**
 * Runs the command of a container as a process of this machine, in a process group and a directory of its own, and with
 * the environment that was given: of this server's own it gets `PATH` alone.
 *
 * The image, the limits and the volumes are recorded and have no effect. A process that leaves its group (`setsid`) is
 * not found when the rental is stopped. Linux and macOS only.
 */
export const layer = (options: ProcessRuntimeOptions): Layer.Layer<ContainerRuntime, ConfigurationError> =>
  Layer.effect(
    ContainerRuntime,
    Effect.gen(function*() {
      if (process.platform === "win32") {
        return yield* invalid(
          "ProcessRuntime.layer",
          "process.platform",
          "is Windows, which has no process groups; allowed: Linux and macOS, or Windows Subsystem for Linux"
        )
      }
      const random = yield* SecureRandom.SecureRandom
      const scope = yield* Effect.scope
      return ContainerRuntime.of({
        host: PortForward.loopback,
        start: Effect.fn("ProcessRuntime.start")(function*(spec) {
          const own = yield* Scope.fork(scope)
          const id = Hex.encode(yield* random.randomBytes(32))
          const home = Path.join(options.directory, spec.rentalId)
          return yield* start({ id, home, spec, scope: own, stopGrace: options.stopGrace ?? "10 seconds" }).pipe(
            Effect.provideService(Scope.Scope, own),
            Effect.onError((cause) => Effect.andThen(Scope.close(own, Exit.failCause(cause)), remove(home)))
          )
        })
      })
    })
  ).pipe(Layer.provide(SecureRandom.layerWebCrypto))

const start = Effect.fnUntraced(function*({ home, id, scope, spec, stopGrace }: {
  readonly id: string
  readonly home: string
  readonly spec: ContainerSpec
  readonly scope: Scope.Closeable
  readonly stopGrace: Duration.Input
}): Effect.fn.Return<Container, ContainerFailure, Scope.Scope> {
  const clock = yield* Clock.Clock
  const directory = Path.join(home, "work")
  const environment = {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: directory,
    ...spec.environment
  }
  if (spec.volumes.length > 0) {
    yield* Effect.logWarning("Processes get no volumes: the command sees this machine's files")
  }

  yield* attempt(() => FileSystem.mkdir(directory, { recursive: true, mode: 0o700 }))
  const [program = idle[0], ...parameters] = spec.command.length === 0 ? idle : spec.command
  const executable = yield* attempt(() => find(program, directory, environment.PATH))
  const log = yield* LogStore.open(Path.join(home, "log"))
  const ports = yield* Effect.forEach(spec.ports, PortForward.open)
  const group = yield* ProcessGroup.start({ command: [executable, ...parameters], directory, environment })

  let state: ContainerState = "Active"
  const enough = yield* Deferred.make<void>()
  const writers = yield* Effect.forEach(
    ["stdout", "stderr"] as const,
    (name) =>
      Effect.forkIn(write(group[name], LogLines.make(name, () => clock.currentTimeNanosUnsafe()), log, enough), scope)
  )
  const ended = yield* Effect.ignore(group.ended, { log: "Error" }).pipe(
    Effect.andThen(drained(writers, log, enough)),
    // In this order: whoever sees the log end sees a rental that has stopped.
    Effect.andThen(Effect.sync(() => {
      state = "Stopped"
    })),
    Effect.andThen(log.end),
    Effect.forkIn(scope)
  )
  const terminate = Effect.andThen(group.terminate(stopGrace), Fiber.await(ended))
  yield* Effect.addFinalizer(() => Effect.ignore(terminate, { log: "Error" }))

  return {
    id,
    ports,
    state: Effect.sync(() => state),
    stop: Effect.andThen(terminate, Scope.close(scope, Exit.void)),
    remove: remove(home),
    logs: (asked) => Effect.succeed(log.read(asked))
  }
})

const remove = (home: string) =>
  Effect.ignore(attempt(() => FileSystem.rm(home, { recursive: true, force: true })), { log: "Warn" })

/** Brings what the process writes into the log. The process waits while the disk is behind. */
const write = (
  output: Readable,
  lines: LogLines.LogLines,
  log: LogStore.LogFile,
  enough: Deferred.Deferred<void>
) => {
  const append = (events: string) => events === "" ? Effect.void : log.append(events)
  return NodeStream.fromReadable<Uint8Array, ContainerFailure>({
    evaluate: () => output,
    onError: (cause) => new ContainerFailure({ message: `the output cannot be read: ${String(cause)}` })
  }).pipe(
    Stream.interruptWhen(Deferred.await(enough)),
    Stream.runForEach((chunk) => append(lines.push(chunk))),
    Effect.andThen(Effect.suspend(() => append(lines.flush()))),
    Effect.catch((failure) =>
      Effect.andThen(
        log.fail(failure),
        // Nobody reads it any more, and the process must not wait for ever.
        Effect.sync(() => void output.resume())
      )
    )
  )
}

/**
 * Waits until all output has been read. A process that has left the group may hold the output open for ever, so what
 * brings nothing for a while counts as read.
 */
const drained = Effect.fnUntraced(function*(
  writers: ReadonlyArray<Fiber.Fiber<void>>,
  log: LogStore.LogFile,
  enough: Deferred.Deferred<void>
) {
  const done = Effect.as(Fiber.awaitAll(writers), true)
  let size = -1
  // Several short waits, since one may pass without a chance to read where the machine is busy.
  for (let idle = 0; idle < 5; idle++) {
    if (yield* Effect.timeoutOrElse(done, { duration: "100 millis", orElse: () => Effect.succeed(false) })) return
    if (log.size() !== size) idle = 0
    size = log.size()
  }
  yield* Deferred.succeed(enough, undefined)
  yield* Fiber.awaitAll(writers)
})

const attempt = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new ContainerFailure({ message: cause instanceof Error ? cause.message : String(cause) })
  })

/** The program's own path, found as a shell would: by name on the path, or from the directory it starts in. */
const find = async (program: string, directory: string, path: string): Promise<string> => {
  const places = program.includes("/")
    ? [Path.resolve(directory, program)]
    : path.split(":").map((place) => Path.resolve(directory, place, program))
  for (const place of places) {
    const isProgram = await FileSystem.access(place, FileSystem.constants.X_OK)
      .then(() => FileSystem.stat(place)).then((stat) => stat.isFile()).catch(() => false)
    if (isProgram) return place
  }
  throw new Error(
    `the command cannot be started: ${program} is no program on the path; the local Basilica runs programs of this ` +
      "machine, and pulls no image"
  )
}
