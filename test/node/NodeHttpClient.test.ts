import * as Chosen from "#http-client"
import { assert, describe, it } from "@effect/vitest"
import { Basilica, Deployments, Executors, Transport } from "basilica-sdk"
import { NodeHttpClient } from "basilica-sdk/node"
import { Effect, Layer, Result } from "effect"
import { FetchHttpClient } from "effect/http"
import { Agent, setGlobalDispatcher } from "undici"
import { atOnce, onItsTime } from "../support/client.ts"
import { json, scriptedServer, started } from "../support/ScriptedServer.ts"

const config = { executorId: "e", image: "ubuntu", noSsh: true }
const noRentals = { rentals: [], total_count: 0 }
const deploy = Deployments.use((deployments) => deployments.deploy(config))

describe("the transport on Node", () => {
  it("is chosen by the package's own conditions", () => {
    assert.strictEqual(Chosen.layer, NodeHttpClient.layer)
  })

  it.live("has no limit on silence, where undici's own would end a deploy", () =>
    Effect.gen(function*() {
      // Undici checks its limits about once a second; three seconds of silence are beyond an injected limit of one.
      const server = yield* scriptedServer((response, { method }) => {
        if (method === "POST") setTimeout(() => json(response, 200, started), 3000)
        else json(response, 200, noRentals)
      })
      const over = (http: typeof NodeHttpClient.layer) =>
        deploy.pipe(
          Effect.provide(
            Layer.provide(
              Basilica.layerHttpClient({ baseUrl: server.url, token: "t", retry: atOnce, deployTimeout: "5 seconds" }),
              http
            )
          ),
          onItsTime
        )
      const [limited, owned] = yield* Effect.all([
        Effect.flip(over(NodeHttpClient.layerOptions({ headersTimeout: 1000, bodyTimeout: 1000 }))),
        over(NodeHttpClient.layer)
      ], { concurrency: 2 })
      assert.strictEqual(limited._tag, "DeployOutcomeUnknown")
      assert.match(limited.message, /UND_ERR_HEADERS_TIMEOUT/)
      assert.match(owned.id, /^rental-/)
    }))

  it.live("is not touched by limits that a program sets for all of its fetches", () =>
    Effect.gen(function*() {
      setGlobalDispatcher(new Agent({ headersTimeout: 1 }))
      const server = yield* scriptedServer((response) => {
        setTimeout(() => json(response, 200, { available_executors: [], total_count: 0 }), 1500)
      })
      yield* Executors.use((executors) => executors.listAvailable()).pipe(
        Effect.provide(Basilica.layer({ baseUrl: server.url, token: "t" }))
      )
      assert.lengthOf(server.received, 1)
    }))

  it.live("knows connecting from waiting, so that a deploy that never left is known as that", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method }) => {
        if (method === "GET") json(response, 200, noRentals)
      })
      const waiting = yield* deploy.pipe(
        Effect.provide(
          Basilica.layer({ baseUrl: server.url, token: "t", deployTimeout: "900 millis" })
        ),
        onItsTime,
        Effect.flip
      )
      assert.strictEqual(waiting._tag, "DeployOutcomeUnknown")
      // 192.0.2.1 would be a black hole, but no test leaves this machine: a connector that never connects stands for it.
      const blackHole = NodeHttpClient.layerOptions({ connect: () => {} })
      const post = Transport.use((transport) =>
        transport.request({ operation: "post", method: "POST", path: ["rentals"], decode: Result.succeed })
      )
      const connecting = yield* post.pipe(
        Effect.provide(Layer.provide(
          Basilica.layerHttpClient({ baseUrl: server.url, token: "t", timeout: "100 millis" }),
          blackHole
        )),
        Effect.flip
      )
      assert.deepInclude(connecting, { _tag: "TimeoutError", phase: "connect", outcome: "none" })
    }))

  it.live("can be replaced by the user's own", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method }) =>
        json(response, 200, method === "GET" ? noRentals : started)
      )
      const deployment = yield* deploy.pipe(Effect.provide(Layer.provide(
        Basilica.layerHttpClient({ baseUrl: server.url, token: "t" }),
        FetchHttpClient.layer
      )))
      assert.match(deployment.id, /^rental-/)
      assert.include(server.received[0]?.headers["user-agent"] ?? "", "node")
    }))
})
