import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ChildProcess from "node:child_process"
import * as FileSystem from "node:fs/promises"
import type * as Net from "node:net"
import type { Readable } from "node:stream"
import { ContainerFailure } from "../server/ContainerRuntime.ts"

/**
 * What becomes the command, after it has set a watcher beside it: a process of the same group, and no child of the
 * command, which reads from file 3, a socket from the server. When the command has ended the server closes the socket;
 * when the server is gone, in whatever way, the system does. The watcher then kills the whole group with what the command
 * has left behind, as the end of a container does. It is there before the command is and hears no signal but the last,
 * so there is no moment in which the command could outlive the server.
 */
const supervisor = `
trap '' HUP INT QUIT TERM USR1 USR2
( ( read -r _ <&3; kill -KILL 0 ) </dev/null >/dev/null 2>&1 & )
trap - HUP INT QUIT TERM USR1 USR2
echo >&3
exec 3<&-
exec "$@"
`

/** A command that runs in a process group of its own. */
export interface ProcessGroup {
  readonly stdout: Readable
  readonly stderr: Readable
  /** Waits until the command has ended, and then until nothing of its group runs. */
  readonly ended: Effect.Effect<void, ContainerFailure>
  /**
   * Asks the group to end, forces it after the grace, and succeeds when no process of it is left. May be called again,
   * and after the end.
   */
  terminate(grace: Duration.Input): Effect.Effect<void, ContainerFailure>
}

/** Node repeats a value that it does not take, which may be a secret. */
const reasonOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  return code === "ERR_INVALID_ARG_VALUE" ? "it, or its environment, has a null character" : String(code)
}

/** Starts the command and succeeds when its watcher stands. */
export const start = Effect.fnUntraced(function*(options: {
  readonly command: readonly [string, ...Array<string>]
  readonly directory: string
  readonly environment: { readonly [name: string]: string }
}): Effect.fn.Return<ProcessGroup, ContainerFailure> {
  const exited = yield* Deferred.make<void>()
  const ready = yield* Deferred.make<void, ContainerFailure>()
  const fail = (reason: string) =>
    Deferred.doneUnsafe(
      ready,
      Effect.fail(new ContainerFailure({ message: `the command cannot be started: ${reason}` }))
    )
  const child = yield* Effect.try({
    try: () => spawn(options),
    catch: (cause) => new ContainerFailure({ message: `the command cannot be started: ${reasonOf(cause)}` })
  })
  child.on("error", (error) => fail(error.message))
  // Node throws away what nobody listens for when a process ends, which it may do before its output is asked for.
  for (const output of [child.stdout, child.stderr]) output?.on("readable", () => undefined)
  child.once("exit", () => {
    lifeline(child)?.destroy()
    Deferred.doneUnsafe(exited, Effect.void)
    // It may have ended before its sign was read.
    Deferred.doneUnsafe(ready, Effect.void)
  })
  // The socket breaks when the group ends, which is no failure of its own.
  lifeline(child)?.on("error", () => undefined).once("data", () => Deferred.doneUnsafe(ready, Effect.void))
  yield* Deferred.await(ready)
  const { pid, stderr, stdout } = child
  if (pid === undefined || stdout === null || stderr === null) {
    return yield* new ContainerFailure({ message: "the command cannot be started: it has no process or no output" })
  }

  const signal = (name: NodeJS.Signals) =>
    Effect.sync(() => {
      // Not after its leader is gone: the number could be another's by then.
      if (child.exitCode === null && child.signalCode === null) send(pid, name)
    })

  const clear = Effect.gen(function*() {
    for (let tries = 0; tries < 500; tries++) {
      if (yield* isEmpty(pid)) return undefined
      // Where the command has killed its own watcher. The number is still the group's, since it has members.
      send(pid, "SIGKILL")
      yield* Effect.sleep("10 millis")
    }
    return yield* new ContainerFailure({ message: `processes of group ${pid} are still there` })
  })

  const endsWithin = (duration: Duration.Input) =>
    Effect.map(Effect.timeoutOption(Deferred.await(exited), duration), Option.isSome)

  return {
    stdout,
    stderr,
    ended: Effect.andThen(Deferred.await(exited), clear),
    terminate: (grace) =>
      Effect.gen(function*() {
        yield* signal("SIGTERM")
        if (!(yield* endsWithin(grace))) yield* signal("SIGKILL")
        if (!(yield* endsWithin("10 seconds"))) {
          return yield* new ContainerFailure({ message: `process ${pid} does not end, although it was killed` })
        }
        return yield* clear
      })
  }
})

const spawn = (options: Parameters<typeof start>[0]) =>
  ChildProcess.spawn("/bin/sh", ["-c", supervisor, "basilica", ...options.command], {
    cwd: options.directory,
    env: options.environment,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"]
  })

/** Where there are no files left to open, a process that could not be started has none, in spite of its type. */
const lifeline = (child: { readonly stdio?: ChildProcess.ChildProcess["stdio"] }): Net.Socket | undefined =>
  child.stdio?.[3] as Net.Socket | undefined

const send = (group: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}

/**
 * Whether no process of a group runs. A process that has ended counts as a member until its parent takes note, which
 * some containers never do, so on Linux the state of each is looked at.
 */
const isEmpty = (group: number): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    if (!send(group, 0)) return true
    const processes = await FileSystem.readdir("/proc").catch(() => [])
    const numbers = processes.filter((name) => /^\d+$/.test(name))
    if (numbers.length === 0) return false
    const stats = await Promise.all(
      numbers.map((number) => FileSystem.readFile(`/proc/${number}/stat`, "utf8").catch(() => ""))
    )
    return stats.every((stat) => {
      const [state, , itsGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return Number(itsGroup) !== group || state === "Z" || state === "X"
    })
  })
