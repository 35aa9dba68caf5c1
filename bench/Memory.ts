import { setTimeout as sleep } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect: (options: { readonly type: "major"; readonly flavor: "last-resort" }) => void = runInNewContext("gc")

/** What this process holds, in bytes. This kind of collection gives back what is free, so that it does not count. */
export const memory = async (): Promise<number> => {
  for (let round = 0; round < 2; round++) {
    collect({ type: "major", flavor: "last-resort" })
    await sleep(50)
  }
  return process.memoryUsage.rss()
}
