/** Deploys and stops for as long as it lives, with a journal. For kill.test.ts. */
import { Basilica, Deployments } from "basilica-sdk"
import { FileJournal } from "basilica-sdk/node"
import { Effect, Layer } from "effect"
import { writeSync } from "node:fs"
import { config } from "../faults/Operations.ts"

const [baseUrl = "", token = "", path = ""] = process.argv.slice(2)

const once = Effect.scoped(Effect.gen(function*() {
  const deployments = yield* Deployments
  writeSync(1, ".")
  const { id } = yield* deployments.scoped(config)
  yield* deployments.waitUntilRunning(id, { interval: 10 })
  yield* Effect.sleep(20)
}))

await Effect.runPromise(
  Effect.provide(
    Effect.forever(once),
    Basilica.layer({ baseUrl, token }).pipe(Layer.provide(FileJournal.layer({ path })))
  )
)
