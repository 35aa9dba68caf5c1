import * as Effect from "effect/Effect"

/** What is used of Node's `process`; there is none in a browser. A bundle for any runtime may run on Node all the same. */
interface Process {
  readonly pid: number
  on(signal: string, listener: (signal: string) => void): unknown
  off(signal: string, listener: (signal: string) => void): unknown
  listenerCount(signal: string): number
  kill(pid: number, signal: string): unknown
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
const { process } = globalThis as { readonly process?: Partial<Process> }
const stops = new Map<() => Promise<unknown>, () => string>()
let ending: Promise<unknown> | undefined

/** Ends when all is stopped that is to be before the process ends; `undefined` where it was not told to. */
export const processIsEnding = (): Promise<unknown> | undefined => ending

/**
 * Has `stop` called when the process is told to end, before it does, and logs `what` that is. The process then ends by the
 * signal, and a second one ends it at once; where the program listens too, that is its own affair. Gives a function that
 * takes this back.
 */
export const beforeProcessEnds = (stop: () => Promise<unknown>, what: () => string): () => void => {
  if (!isNode(process)) return () => {}
  if (stops.size === 0) listen(process, "on")
  stops.set(stop, what)
  return () => {
    stops.delete(stop)
    if (stops.size === 0) listen(process, "off")
  }
}

const listen = (node: Process, how: "on" | "off") => {
  for (const signal of signals) node[how](signal, end)
}

const end = async (signal: string) => {
  if (!isNode(process)) return
  const alone = process.listenerCount(signal) === 1
  if (ending === undefined) {
    const all = [...stops.values()].map((what) => what()).join(", ")
    const more = alone ? " A second one ends this process at once, and what is not stopped runs on." : ""
    Effect.runFork(Effect.logWarning(`BasilicaClient: ${signal}: stops first ${all}.${more}`))
    ending = Promise.allSettled([...stops.keys()].map((stop) => stop()))
    await ending
    ending = undefined
  }
  stops.clear()
  listen(process, "off")
  if (alone) process.kill(process.pid, signal)
}

const isNode = (candidate: Partial<Process> | undefined): candidate is Process =>
  typeof candidate?.on === "function" && typeof candidate.kill === "function" && typeof candidate.pid === "number"
