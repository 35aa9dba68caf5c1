import process from "node:process"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
const stops = new Set<() => Promise<unknown>>()
let ending = false

/**
 * Has `stop` called when the process is told to end, before it does. The process then ends by the signal, unless the
 * program listens for it too: then that is its own affair. A second signal ends it at once. Gives a function that takes
 * this back.
 */
export const beforeProcessEnds = (stop: () => Promise<unknown>): () => void => {
  if (stops.size === 0) listen()
  stops.add(stop)
  return () => {
    stops.delete(stop)
    if (stops.size === 0) unlisten()
  }
}

const listen = () => {
  for (const signal of signals) process.on(signal, end)
}

const unlisten = () => {
  for (const signal of signals) process.off(signal, end)
}

const end = async (signal: NodeJS.Signals) => {
  const alone = process.listenerCount(signal) === 1
  if (!ending) {
    ending = true
    await Promise.allSettled([...stops].map((stop) => stop()))
    ending = false
  }
  stops.clear()
  unlisten()
  if (alone) process.kill(process.pid, signal)
}
