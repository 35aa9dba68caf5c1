/** Puts and removes intents for as long as it lives, and says each that has succeeded. For FileJournal.test.ts. */
import { DeployJournal } from "basilica-sdk"
import { FileJournal } from "basilica-sdk/node"
import { Effect } from "effect"
import { writeSync } from "node:fs"

const [path = "", prefix = ""] = process.argv.slice(2)

/** Waits while the pipe is full, which a busy machine may be slow to read. */
const say = (text: string): void => {
  for (;;) {
    try {
      writeSync(1, text)
      return
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

const writing = Effect.gen(function*() {
  const journal = yield* DeployJournal
  for (let count = 0;; count++) {
    const key = `${prefix}-${count}`
    say(`try put ${key}\n`)
    yield* journal.put({ key, executorId: "e", image: "i:1", before: ["rental-1"], sentAt: "2025-09-20T12:00:00Z" })
    say(`put ${key}\n`)
    if (count % 3 === 0) continue
    say(`try remove ${key}\n`)
    yield* journal.remove(key)
    say(`remove ${key}\n`)
  }
})

await Effect.runPromise(Effect.provide(writing, FileJournal.layer({ path })))
