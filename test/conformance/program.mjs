// Does what the script in its only argument says: prints lines, then ends or idles until it is stopped.
import { setTimeout as sleep } from "node:timers/promises"

const { exits = false, lines = [] } = JSON.parse(Buffer.from(process.argv[2], "base64url").toString())
for (const { after = 0, message, stream = "stdout" } of lines) {
  if (after > 0) await sleep(after)
  process[stream].write(`${message}\n`)
}
if (!exits) setInterval(() => {}, 60_000)
