import { Basilica, Deployments } from "basilica-sdk"
import { FileJournal } from "basilica-sdk/node"
import { Console, Effect, Layer } from "effect"

const layer = Basilica.layerConfig.pipe(Layer.provide(FileJournal.layer({ path: "deploys.journal" })))

const cleanUp = Effect.gen(function*() {
  const deployments = yield* Deployments
  for (const left of yield* deployments.reconcile()) yield* Console.log(`${left._tag}: ${left.intent.image}`)
})

await Effect.runPromise(Effect.provide(cleanUp, layer))
