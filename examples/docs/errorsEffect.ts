import { Basilica, Deployments } from "basilica-sdk"
import { Console, Effect } from "effect"

const program = Deployments.use((deployments) => deployments.status("rental-0")).pipe(
  Effect.map((status) => status._tag),
  Effect.catchTag("NotFound", () => Effect.succeed("it is stopped, or was never there")),
  Effect.flatMap(Console.log),
  Effect.provide(Basilica.layerConfig),
  Effect.catchTag("ConfigurationError", (error) => Console.error(error.problems))
)

await Effect.runPromise(program)
