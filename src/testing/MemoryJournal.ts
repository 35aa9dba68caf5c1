/**
 * A `DeployJournal` in memory, for tests of what a program does after a crash: build it once, and the services over it
 * twice.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type DeployIntent, DeployJournal } from "../services/DeployJournal.ts"

/** A journal that begins with these intents. */
export const make = (intents: ReadonlyArray<DeployIntent> = []): DeployJournal["Service"] => {
  const kept = new Map(intents.map((intent) => [intent.key, intent]))
  return DeployJournal.of({
    put: (intent) => Effect.sync(() => void kept.set(intent.key, intent)),
    remove: (key) => Effect.sync(() => void kept.delete(key)),
    open: Effect.sync(() => [...kept.values()])
  })
}

/** A journal of its own for each build of the layer. */
export const layer = (intents: ReadonlyArray<DeployIntent> = []): Layer.Layer<DeployJournal> =>
  Layer.sync(DeployJournal, () => make(intents))
