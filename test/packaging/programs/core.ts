import { Basilica, Executors } from "basilica-sdk"
import { BasilicaClient } from "basilica-sdk/promise"
import * as testing from "basilica-sdk/testing"
import * as Effect from "effect/Effect"

export const withEffect = Executors.use((executors) => executors.listAvailable()).pipe(
  Effect.provide(Basilica.layer({ token: "token" }))
)

export const withPromises = async () => {
  await using basilica = new BasilicaClient({ token: "token" })
  return await basilica.executors.listAvailable()
}

export { testing }
