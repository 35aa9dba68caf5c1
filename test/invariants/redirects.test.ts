import { assert, describe, it } from "@effect/vitest"
import { Basilica } from "basilica-sdk"
import { FaultScript } from "basilica-sdk/testing"
import { Cause, Effect, Exit, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { operations } from "../faults/Operations.ts"
import { before, client, credentials, program, world } from "../faults/World.ts"
import { onMachineTime } from "../support/MachineTime.ts"
import { bare, scriptedServer } from "../support/ScriptedServer.ts"

const statuses = [301, 302, 303, 307, 308]

describe("I16: no redirect is followed", () => {
  for (const [name, operation] of Object.entries(operations)) {
    it.live(
      `${name}: to another origin, to the same, to https or to a path, over both transports`,
      () =>
        Effect.gen(function*() {
          const other = yield* scriptedServer((response) => bare(response, 200))
          for (const status of statuses) {
            for (const target of ["other", "same", "https", "path"] as const) {
              const faults = new FaultScript()
              const { front, memory } = yield* world(faults, { program })
              const id = yield* before(memory, operation)
              const location = {
                other: `${other.url}/rentals`,
                same: `${front.url}/health`,
                https: "https://127.0.0.1:1/",
                path: "/health"
              }[target]
              faults.add({ on: operation.on(id), fault: { after: "body", reply: { status, headers: { location } } } })
              const options = { deployTimeout: 30, timeout: 500, ...credentials(operation, memory, front.url) }
              const clients = [
                client(front.url, memory, options),
                ...(status === 307
                  ? [Layer.provide(
                    Basilica.layerHttpClient({ baseUrl: front.url, ...options }),
                    FetchHttpClient.layer
                  )]
                  : [])
              ]
              for (const services of clients) {
                const health = faults.count("GET /health")
                const exit = yield* Effect.exit(Effect.provide(operation.run(id), services))
                assert.isTrue(Exit.isFailure(exit) && !Cause.hasDies(exit.cause), `${status} ${target}`)
                if (name !== "health") assert.strictEqual(faults.count("GET /health"), health, `${status} ${target}`)
                else assert.strictEqual(faults.count("GET /health"), health + 1, `${status} ${target}`)
              }
            }
          }
          assert.lengthOf(other.received, 0)
        }).pipe(onMachineTime)
    )
  }
})

/** Each with whether it may be used; nothing is sent to find out. */
const spellings: ReadonlyArray<readonly [url: string, isGood: boolean]> = [
  ["https://api.basilica.ai", true],
  ["https://api.basilica.ai/", true],
  ["https://api.basilica.ai:8443/prefix", true],
  ["https://xn--bcher-kva.example", true],
  ["http://localhost", true],
  ["http://localhost:8080", true],
  ["http://LOCALHOST", true],
  ["http://127.0.0.1", true],
  ["http://127.0.0.1:8080/prefix", true],
  ["http://127.1.2.3", true],
  ["http://127.1", true],
  ["http://0x7f.1", true],
  ["http://2130706433", true],
  ["http://[::1]", true],
  ["http://[::1]:8080", true],
  ["http://[0:0:0:0:0:0:0:1]", true],
  ["http://api.basilica.ai", false],
  ["HTTP://api.basilica.ai", false],
  ["http://localhost.evil.example", false],
  ["http://localhost.", false],
  ["http://sub.localhost", false],
  ["http://127.0.0.1.evil.example", false],
  ["http://127.0.0.1@evil.example", false],
  ["http://evil.example#127.0.0.1", false],
  ["http://evil.example\\@127.0.0.1", false],
  ["http://evil.example/127.0.0.1", false],
  ["http://128.0.0.1", false],
  ["http://0.0.0.0", false],
  ["http://10.0.0.1", false],
  ["http://[::]", false],
  ["http://[::ffff:127.0.0.1]", false],
  ["http://[fe80::1]", false],
  ["https://user:password@api.basilica.ai", false],
  ["https://user@api.basilica.ai", false],
  ["https://api.basilica.ai?key=1", false],
  ["https://api.basilica.ai#part", false],
  ["ftp://api.basilica.ai", false],
  ["file:///etc/passwd", false],
  ["javascript:alert(1)", false],
  ["api.basilica.ai", false],
  ["", false]
]

describe(`I16: nothing goes out in the clear (${spellings.length} spellings)`, () => {
  for (const [url, isGood] of spellings) {
    it.effect(`${url === "" ? "nothing" : url} is ${isGood ? "good" : "refused"}`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(Basilica.layer({ baseUrl: url, token: "t" }))))
        assert.strictEqual(Exit.isSuccess(exit), isGood)
        if (Exit.isFailure(exit)) assert.include(Cause.pretty(exit.cause), "ConfigurationError")
      }))
  }
})
