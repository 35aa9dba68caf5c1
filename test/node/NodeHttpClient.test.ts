import * as Chosen from "#http-client"
import { assert, describe, it } from "@effect/vitest"
import { Basilica, Deployments, Executors, Health, Transport } from "basilica-sdk"
import { NodeHttpClient } from "basilica-sdk/node"
import { Deferred, Effect, Exit, Fiber, Layer, Result, Scope } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { type AddressInfo, createServer, type Server, Socket } from "node:net"
import process from "node:process"
import { inspect } from "node:util"
import { Agent, type buildConnector, setGlobalDispatcher } from "undici"
import { blackHole } from "../faults/Detours.ts"
import { atOnce, onItsTime } from "../support/client.ts"
import { json, rentalItem, scriptedServer, started } from "../support/ScriptedServer.ts"

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

  it.live("closes with a connection still being made, and leaves none", () =>
    Effect.gen(function*() {
      const port = yield* blackHole
      const connecting = () => process.getActiveResourcesInfo().filter((kind) => kind === "ConnectWrap").length
      const before = connecting()
      const during = yield* Health.use((health) => health.check).pipe(
        Effect.flip,
        Effect.map(({ _tag }) => [_tag, connecting()]),
        Effect.provide(Basilica.layer({ baseUrl: `http://127.0.0.1:${port}`, token: "t", timeout: "100 millis" }))
      )
      assert.deepStrictEqual(during, ["TimeoutError", before + 1])
      const gone = Effect.delay(Effect.sync(connecting), "1 millis")
      assert.strictEqual(yield* Effect.repeat(gone, { until: (count) => count === before, times: 500 }), before)
    }))

  it.live("leaves no call without an answer when it closes, though another connection was refused", () =>
    Effect.gen(function*() {
      const sockets: Array<Socket> = []
      const refused = yield* Deferred.make<void>()
      const connect: buildConnector.connector = (_, callback) => {
        const socket = new Socket().once("error", (error) => callback(error, null))
        // Undici's agent forgets its pool when a connection of it fails.
        if (sockets.push(socket) === 2) {
          socket.once("close", () => Deferred.doneUnsafe(refused, Exit.void))
          setImmediate(() => socket.destroy(new Error("refused")))
        }
        return socket
      }
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(NodeHttpClient.layerOptions({ connect }), scope)
      const get = Effect.provideContext(HttpClient.get("http://127.0.0.1:1/"), context)
      const calls = [yield* Effect.forkChild(get), yield* Effect.forkChild(get)]
      yield* Deferred.await(refused)
      yield* Scope.close(scope, Exit.void)
      for (const call of calls) assert.isTrue(Exit.isFailure(yield* Effect.timeout(Fiber.await(call), "2 seconds")))
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

  /** The services over this transport, with something that happens between the head of each reply and its body. */
  const tapped = <E>(url: string, between: Effect.Effect<void, E>) =>
    Layer.provide(
      Basilica.layerHttpClient({ baseUrl: url, token: "t", retry: atOnce }),
      Layer.provide(
        Layer.effect(
          HttpClient.HttpClient,
          Effect.map(HttpClient.HttpClient, HttpClient.transformResponse(Effect.tap(() => Effect.orDie(between))))
        ),
        NodeHttpClient.layer
      )
    )

  it.live("reads a reply to its end, though it came long before it is read", () =>
    Effect.gen(function*() {
      for (const items of [1000, 1300, 1800]) {
        for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
          let sent = () => {}
          const whole = new Promise<void>((resolve) => sent = resolve)
          const server = yield* scriptedServer((response) => {
            response.once("finish", sent)
            json(response, 200, { rentals: Array(items).fill(rentalItem("Active")), total_count: items }, headers)
          })
          const arrived = Effect.promise(async () => {
            await whole
            for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
          })
          const listing = yield* Deployments.use((deployments) => deployments.list()).pipe(
            Effect.provide(tapped(server.url, arrived))
          )
          assert.lengthOf(listing.items, items)
        }
      }
    }))

  it.live("lets a reply go whose reader fails, or goes away, before it has begun to read", () =>
    Effect.gen(function*() {
      let closed = 0
      const server = yield* scriptedServer((response) => {
        response.once("close", () => closed++)
        response.writeHead(200, { "content-type": "application/json" })
        response.write("[")
      })
      const list = Deployments.use((deployments) => deployments.list())
      const until = (count: number): Effect.Effect<void> =>
        Effect.suspend(() => closed >= count ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), until(count)))
      const client = yield* Layer.build(tapped(server.url, Effect.die("the reader failed")))
      yield* Effect.exit(Effect.provide(list, client))
      yield* until(1)
      let headCame = () => {}
      const head = new Promise<void>((resolve) => headCame = resolve)
      const waiting = yield* Layer.build(
        tapped(server.url, Effect.andThen(Effect.sync(() => headCame()), Effect.never))
      )
      const fiber = yield* Effect.forkChild(Effect.provide(list, waiting))
      yield* Effect.promise(() => head)
      yield* Fiber.interrupt(fiber)
      yield* until(2)
    }))

  it.live("keeps nothing of what came in the place of a reply in an error of the client for other calls", () =>
    Effect.gen(function*() {
      const server = yield* rawServer("HELLO canary-body\r\n\r\n")
      const error = yield* Transport.use((transport) => transport.client.get("/x")).pipe(
        Effect.provide(Basilica.layer({ baseUrl: server, token: "t" })),
        Effect.flip
      )
      assert.notInclude(inspect(error, { depth: Infinity, showHidden: true }), "canary")
    }))
})

/** Answers each connection with these bytes. */
const rawServer = (bytes: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const server = createServer((socket) => {
          socket.on("error", () => {})
          socket.once("data", () => socket.end(bytes))
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )
