// Ends by an error that nobody catches, for what Node prints then.
import { Basilica, Deployments, Executors, Transport } from "basilica-sdk"
import { BasilicaClient } from "basilica-sdk/promise"
import { Effect, Layer, Stream } from "effect"
import { FetchHttpClient, HttpClientResponse } from "effect/http"
import process from "node:process"

const [baseUrl = "", token = "", how = "", over = ""] = process.argv.slice(2)
const options = { baseUrl, token, timeout: "1 seconds" } as const
const layer = over === "fetch"
  ? Layer.provide(Basilica.layerHttpClient(options), FetchHttpClient.layer)
  : Basilica.layer(options)

/** Leaves the promise, so that what is thrown is an uncaught exception and not a rejection. */
const uncaught = <A>(promise: Promise<A>) =>
  promise.catch((error: unknown) =>
    setImmediate(() => {
      throw error
    })
  )

const own = (path: string) =>
  Transport.use((_) => _.client.get(path)).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap((response) => response.json),
    Effect.provide(layer)
  )
const deploy = Deployments.use((_) =>
  _.deploy({
    executorId: "e",
    image: "docker.io/user:canary-image@evil",
    noSsh: true,
    environment: { "A B": "canary-environment" }
  })
).pipe(Effect.provide(layer))
const logs = Stream.runDrain(Stream.unwrap(Deployments.useSync((_) => _.logs("rental-1")))).pipe(Effect.provide(layer))

const ways: Record<string, () => unknown> = {
  "rejection": () => new BasilicaClient(options).executors.listAvailable(),
  "exception": () => uncaught(new BasilicaClient(options).executors.listAvailable()),
  "effect": () => Effect.runPromise(Executors.use((_) => _.listAvailable()).pipe(Effect.provide(layer))),
  "die": () => Effect.runPromise(Effect.orDie(Executors.use((_) => _.listAvailable()).pipe(Effect.provide(layer)))),
  "config": () => Effect.runPromise(deploy),
  "logs": () => uncaught(Effect.runPromise(logs)),
  "own": () => uncaught(Effect.runPromise(own("/x"))),
  "own-rejection": () => Effect.runPromise(own("/x")),
  "own-cut": () => uncaught(Effect.runPromise(own("/cut"))),
  "own-garbage": () => uncaught(Effect.runPromise(own("/garbage")))
}

await ways[how]?.()
