import { Basilica, Deployments } from "basilica-sdk"
import { Console, Effect, Stream } from "effect"

const program = Effect.gen(function*() {
  const deployments = yield* Deployments
  const job = yield* deployments.scoped({
    gpu: { type: "h100", count: 1 },
    image: "ubuntu:24.04",
    command: ["uname", "-a"],
    noSsh: true
  })
  yield* deployments.logs(job.id, { follow: true }).pipe(
    Stream.runForEach((line) => Console.log(line.message))
  )
}).pipe(
  Effect.scoped, // stops the deployment here, after a failure or an interruption too
  Effect.provide(Basilica.layerConfig), // reads BASILICA_API_TOKEN
  Effect.catchTag("DeployOutcomeUnknown", (error) => Console.error(error.message, error.candidates))
)

await Effect.runPromise(program)
