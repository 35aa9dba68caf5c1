/** What is used of Node's `process`; there is none in a browser. */
interface Process {
  readonly pid: number
  on(signal: string, listener: (signal: string) => void): unknown
  off(signal: string, listener: (signal: string) => void): unknown
  listenerCount(signal: string): number
  kill(pid: number, signal: string): unknown
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
const process = (globalThis as { readonly process?: Partial<Process> }).process
const stops = new Set<() => Promise<unknown>>()

/**
 * Has `stop` called when the process is told to end, before it does. The process then ends by the signal, unless the
 * program listens for it too: then that is its own affair. Gives a function that takes this back.
 */
export const beforeProcessEnds = (stop: () => Promise<unknown>): () => void => {
  if (!isNode(process)) return () => {}
  stops.add(stop)
  if (stops.size === 1) { for (const signal of signals) process.on(signal, end) }
  return () => {
    stops.delete(stop)
    if (stops.size === 0) { for (const signal of signals) process.off(signal, end) }
  }
}

const end = async (signal: string) => {
  await Promise.allSettled([...stops].map((stop) => stop()))
  if (!isNode(process)) return
  const alone = process.listenerCount(signal) === (stops.size === 0 ? 0 : 1)
  for (const one of signals) process.off(one, end)
  if (alone) process.kill(process.pid, signal)
}

const isNode = (candidate: Partial<Process> | undefined): candidate is Process =>
  typeof candidate?.on === "function" && typeof candidate.kill === "function" && typeof candidate.pid === "number"
