/** The process of one contender: does the tasks that it is told, and says how long each took. */
import type { Contenders } from "./Contest.ts"

const [program = "", name = "", url = ""] = process.argv.slice(2)
const { contenders } = await import(program) as { readonly contenders: Contenders }
const work = await contenders[name]?.(url)

process.once("disconnect", () => process.exit())
process.on("message", async (task: string) => {
  const begin = performance.now()
  const cpuBegin = process.cpuUsage()
  const result = await work?.(task)
  const { system, user } = process.cpuUsage(cpuBegin)
  process.send?.({ millis: performance.now() - begin, cpuMillis: (system + user) / 1000, result })
})
process.send?.("ready")
