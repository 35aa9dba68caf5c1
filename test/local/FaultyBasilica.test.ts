import { assert, describe, it } from "@effect/vitest"
import { Deployments, Health } from "basilica-sdk"
import { FaultyBasilica, LocalBasilica } from "basilica-sdk/local"
import { NodeHttpClient } from "basilica-sdk/node"
import { FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import { Context, Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { connect } from "node:net"
import { selfSigned } from "../faults/Detours.ts"
import { config } from "../faults/Operations.ts"
import { client, world } from "../faults/World.ts"
import { onMachineTime } from "../support/MachineTime.ts"

/** Everything that a server on the loopback answers to these bytes. */
const raw = (url: string, request = "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n") =>
  Effect.promise(() =>
    new Promise<string>((resolve) => {
      let text = ""
      const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(request))
      socket.on("data", (data) => text += data.toString("latin1"))
      socket.on("error", (error: NodeJS.ErrnoException) => text += `[${error.code}]`)
      socket.on("close", () => resolve(text))
    })
  )

describe("FaultyBasilica", () => {
  it.live("is the service itself where nothing is to go wrong", () =>
    Effect.gen(function*() {
      const { faults, front, memory } = yield* world(new FaultScript())
      yield* Effect.provide(
        Effect.gen(function*() {
          const deployments = yield* Deployments
          const { id } = yield* deployments.deploy(config)
          assert.lengthOf((yield* deployments.list()).items, 1)
          yield* deployments.stop(id)
        }),
        client(front.url, memory)
      )
      assert.deepStrictEqual(faults.requests.map(({ method }) => method), ["GET", "POST", "GET", "DELETE"])
      assert.lengthOf(yield* memory.running, 0)
    }))

  it.live("writes what a good server would not", () =>
    Effect.gen(function*() {
      const { faults, front } = yield* world(new FaultScript())
      const answer = Effect.fnUntraced(function*(fault: Parameters<typeof faults.add>[0]["fault"]) {
        faults.clear()
        faults.add({ fault })
        return yield* raw(front.url)
      })
      assert.match(yield* answer({ after: "work", wire: { before: "HELLO\r\n" } }), /^HELLO\r\nHTTP\/1\.1 200 OK\r\n/)
      assert.match(yield* answer({ after: "work", wire: { behind: "more" } }), /\}more$/)
      assert.match(yield* answer({ after: "work", wire: { lines: ["x-a: b"] } }), /\r\nx-a: b\r\n/)
      assert.match(yield* answer({ after: "work", cut: { body: 3 }, end: "close" }), /\r\n\r\n\{"s$/)
      assert.match(
        yield* answer({ after: "work", cut: { body: 3 }, end: "close", wire: { chunked: true } }),
        /\r\n\r\n[0-9a-f]+\r\n\{"s$/
      )
      assert.strictEqual(yield* answer({ after: "work", cut: { head: 8 }, end: "close" }), "HTTP/1.1")
      assert.strictEqual(yield* answer({ after: "body", end: "reset" }), "[ECONNRESET]")
      assert.strictEqual(yield* answer({ after: "accept", end: "close" }), "")
      assert.match(
        yield* answer({
          after: "body",
          reply: { status: 302, headers: { location: "http://127.0.0.1:9/" } },
          end: "close",
          cut: { body: 0 }
        }),
        /^HTTP\/1\.1 302 Found\r\nlocation:/
      )
    }))

  it.live("speaks https with a certificate of the test", () =>
    Effect.gen(function*() {
      const tls = selfSigned()
      const memory = Context.get(yield* Layer.build(MemoryBasilica.layerServer()), MemoryBasilica)
      const front = Context.get(
        yield* Layer.build(Layer.provide(
          FaultyBasilica.layer({ service: memory.url, faults: new FaultScript(), tls }),
          Layer.succeed(HttpClient.HttpClient, memory.httpClient)
        )),
        FaultyBasilica
      )
      assert.match(front.url, /^https:/)
      const check = Health.use((health) => health.check)
      const trusting = client(front.url, memory, {}, { connect: { ca: tls.cert } })
      assert.strictEqual((yield* Effect.provide(check, trusting)).status, "healthy")
      const error = yield* Effect.flip(Effect.provide(check, client(front.url, memory)))
      assert.deepInclude(error, { _tag: "NetworkError", phase: "connect", outcome: "none" })
    }))

  it.live("stands before a local Basilica too, and lets a client that leaves go", () =>
    Effect.gen(function*() {
      const local = Context.get(yield* Layer.build(LocalBasilica.layer()), LocalBasilica)
      const faults = new FaultScript([{ on: "GET /health", fault: { after: "work", end: "stall" } }])
      const front = Context.get(
        yield* Layer.build(Layer.provide(FaultyBasilica.layer({ service: local.url, faults }), NodeHttpClient.layer)),
        FaultyBasilica
      )
      const error = yield* Effect.flip(Effect.provide(
        Health.use((health) => health.check),
        client(front.url, { token: local.token }, { timeout: 300 })
      ))
      assert.deepInclude(error, { _tag: "TimeoutError", phase: "headers" })
      yield* Effect.repeat(Effect.delay(front.connections, 5), { until: (count) => count === 0 })
    }).pipe(onMachineTime))
})
