/** Puts and removes intents for as long as it lives, and says each that has succeeded. For FileJournal.test.ts. */
import { DeployJournal } from "basilica-sdk"
import { FileJournal } from "basilica-sdk/node"
import { Effect } from "effect"
import { writeSync } from "node:fs"

const [path = "", prefix = ""] = process.argv.slice(2)

const writing = Effect.gen(function*() {
  const journal = yield* DeployJournal
  for (let count = 0;; count++) {
    const key = `${prefix}-${count}`
    writeSync(1, `try put ${key}\n`)
    yield* journal.put({ key, executorId: "e", image: "i:1", before: ["rental-1"], sentAt: "2025-09-20T12:00:00Z" })
    writeSync(1, `put ${key}\n`)
    if (count % 3 === 0) continue
    writeSync(1, `try remove ${key}\n`)
    yield* journal.remove(key)
    writeSync(1, `remove ${key}\n`)
  }
})

await Effect.runPromise(Effect.provide(writing, FileJournal.layer({ path })))
