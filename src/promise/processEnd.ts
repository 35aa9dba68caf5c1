import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"

/** What is used of Node's `process`; there is none in a browser. A bundle for any runtime may run on Node all the same. */
interface Process {
  readonly pid: number
  exitCode?: unknown
  on(event: string, listener: (cause: string | number) => void): unknown
  off(event: string, listener: (cause: string | number) => void): unknown
  listenerCount(event: string): number
  kill(pid: number, signal: string): unknown
  exit(code: number): unknown
}

/** The signals that end a process, with their numbers. */
const signals: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }
/** Signals that come so soon after the first are that one again: a terminal and npm both send it. */
const repeatMillis = 1000
const { process } = globalThis as { readonly process?: Partial<Process> }

/** What all copies of this module in a process share: each alone would take the others for a program that listens. */
interface Shared {
  readonly stops: Map<() => Promise<unknown>, () => string>
  ending: Promise<void> | undefined
  endingSince: number
  /** The listeners, of the copy that was the first. */
  readonly end: (cause: string | number) => Promise<void>
  readonly leave: () => void
}

/** Ends when all is stopped that is to be before the process ends; `undefined` where it is not about to. */
export const processIsEnding = (): Promise<void> | undefined => shared().ending

/**
 * Has `stop` called when the process is told to end or has nothing more to do, before it ends, and logs `what` that is. A
 * process that was told to by a signal then ends by it, and a second one ends it at once; where the program listens too,
 * that is its own affair. What a process leaves running that ends without a chance to stop it is logged as an error.
 * Gives a function that takes this back.
 */
export const beforeProcessEnds = (stop: () => Promise<unknown>, what: () => string): () => void => {
  if (!isNode(process)) return () => {}
  const { stops } = shared()
  if (stops.size === 0) listen(process, "on")
  stops.set(stop, what)
  return () => {
    if (stops.delete(stop) && stops.size === 0) listen(process, "off")
  }
}

const listen = (node: Process, how: "on" | "off") => {
  const { end, leave } = shared()
  for (const signal of Object.keys(signals)) node[how](signal, end)
  node[how]("beforeExit", end)
  node[how]("exit", leave)
}

const end = async (cause: string | number) => {
  if (!isNode(process)) return
  const signal = typeof cause === "string" ? cause : undefined
  const isAlone = signal !== undefined && process.listenerCount(signal) === 1
  const state = shared()
  if (state.ending === undefined) {
    state.endingSince = Date.now()
    state.ending = stopAll(process, signal, isAlone)
    await state.ending
    state.ending = undefined
  } else if (Date.now() - state.endingSince < repeatMillis) {
    return
  }
  if (!isAlone) return
  listen(process, "off")
  process.kill(process.pid, signal)
  // The first process of a container is not ended by a signal that it does not listen to.
  const code = 128 + (signals[signal] ?? 0)
  setTimeout(() => process.exit?.(code), 100)
}

/** Stops what there is, and what comes meanwhile. */
const stopAll = async (node: Process, signal: string | undefined, isAlone: boolean) => {
  const more = isAlone ? " A second one ends this process at once, and what is not stopped runs on." : ""
  const because = signal ?? "the end of the program"
  const { stops } = shared()
  while (stops.size > 0) {
    log(Effect.logWarning(`BasilicaClient: ${because}: stops first ${all()}.${more}`))
    const batch = [...stops.keys()]
    const results = await Promise.allSettled(batch.map((stop) => stop()))
    for (const stop of batch) stops.delete(stop)
    if (signal === undefined && results.some(({ status }) => status === "rejected")) node.exitCode = 1
  }
  listen(node, "off")
}

const leave = () =>
  log(Effect.logError(`BasilicaClient: the process ends before ${all()} is stopped: it may run on, and be billed.`))

const all = () => [...shared().stops.values()].map((what) => what()).join(", ")

const log = (line: Effect.Effect<void>) => Effect.runFork(Effect.provideService(line, Logger.LogToStderr, true))

const isNode = (candidate: Partial<Process> | undefined): candidate is Process =>
  typeof candidate?.on === "function" && typeof candidate.kill === "function" && typeof candidate.pid === "number"

const name = Symbol.for("basilica-sdk/processEnd/1")
const shared = (): Shared =>
  (globalThis as { [name]?: Shared })[name] ??= {
    stops: new Map(),
    ending: undefined,
    endingSince: 0,
    end,
    leave
  }
