import { assert, it } from "@effect/vitest"
import { Basilica, Deployments } from "basilica-sdk"
import { LocalBasilica } from "basilica-sdk/local"
import { Effect, Layer, Stream } from "effect"

/** Every service of the SDK, over a Basilica that lives as long as the test. */
const services = Layer.unwrap(LocalBasilica.useSync(({ token, url }) => Basilica.layer({ baseUrl: url, token })))
const layer = Layer.provideMerge(services, LocalBasilica.layer())

const greet = Effect.gen(function*() {
  const deployments = yield* Deployments
  const { id } = yield* deployments.scoped({ gpu: {}, image: "any", command: ["echo", "hello"], noSsh: true })
  return yield* Stream.runCollect(deployments.logs(id, { follow: true }))
}).pipe(Effect.scoped)

it.live("greets, and leaves nothing behind", () =>
  Effect.gen(function*() {
    const lines = yield* greet
    assert.deepStrictEqual(lines.map((line) => line.message), ["hello"])
    const { running } = yield* LocalBasilica
    assert.deepStrictEqual(yield* running, [])
  }).pipe(Effect.provide(layer)))
