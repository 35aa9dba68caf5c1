import { assert, describe, it } from "@effect/vitest"
import { Basilica, Executors, Transport } from "basilica-sdk"
import { Effect, Result } from "effect"
import type { ServerResponse } from "node:http"
import * as BaseUrl from "../../src/services/internal/BaseUrl.ts"
import { atOnce } from "../support/client.ts"
import { bare, json, rentalItem, scriptedServer } from "../support/ScriptedServer.ts"
import { goodReply, operations, token, transports } from "./Victim.ts"

/** Where a redirect may lead; `elsewhere` is another origin. */
const targets: ReadonlyArray<readonly [string, (own: string, elsewhere: string) => string]> = [
  ["another origin", (_, elsewhere) => `${elsewhere}/stolen`],
  ["the same origin", () => "/stolen"],
  ["another origin, by its host alone", (_, elsewhere) => elsewhere.replace("http:", "")],
  ["a user name before another origin", (own, elsewhere) => elsewhere.replace("://", `://${new URL(own).host}@`)]
]

/** Two deployments that may be the one, so that a deploy whose reply says nothing is over at once. */
const two = {
  rentals: ["rental-1", "rental-2"].map((rental_id) => rentalItem("Active", { rental_id })),
  total_count: 2
}

const send = async (response: ServerResponse, reply: Response) => {
  response.writeHead(reply.status, Object.fromEntries(reply.headers))
  response.end(await reply.text())
}

describe("a redirect", () => {
  for (const { method, name, path, run } of operations) {
    it.live(`of ${name} is not followed: 5 statuses, 4 targets, each transport`, () =>
      Effect.gen(function*() {
        const elsewhere = yield* scriptedServer((response) => json(response, 200, {}))
        let redirected = false
        let redirect: readonly [number, string] = [302, ""]
        const server = yield* scriptedServer((response, request) => {
          if (request.method === method && request.url.split("?")[0] === path) {
            redirected = true
            return bare(response, redirect[0], { location: redirect[1] })
          }
          if (name === "Deployments.deploy" && request.url === "/rentals" && redirected) return json(response, 200, two)
          return void send(response, goodReply(request.method, request.url.split("?")[0] ?? ""))
        })
        for (const [label, transport] of transports) {
          const layer = transport({ baseUrl: server.url, token, retry: atOnce })
          for (const status of [301, 302, 303, 307, 308]) {
            for (const [where, target] of targets) {
              redirect = [status, target(server.url, elsewhere.url)]
              server.received.length = 0
              redirected = false
              const error = yield* Effect.flip(run).pipe(Effect.provide(layer))
              const cell = `${label} ${status} to ${where}`
              // A key of that name is there already, which a look tells.
              assert.include(["ApiError", "DeployOutcomeUnknown", "StopUnconfirmed", "Conflict"], error._tag, cell)
              assert.match(error.message, /redirect|unknown outcome|nothing proves|409/, cell)
              assert.lengthOf(elsewhere.received, 0, cell)
              assert.lengthOf(server.received.filter(({ url }) => url.includes("stolen")), 0, cell)
              assert.lengthOf(
                server.received.filter((one) => one.method === method && one.url.split("?")[0] === path),
                1,
                cell
              )
            }
          }
        }
      }))
  }

  it.live("of a call of the user's own is handed to the user, unfollowed", () =>
    Effect.gen(function*() {
      const elsewhere = yield* scriptedServer((response) => json(response, 200, {}))
      const server = yield* scriptedServer((response) => bare(response, 307, { location: elsewhere.url }))
      for (const [, transport] of transports) {
        const reply = yield* Transport.use((_) => _.client.post("/x")).pipe(
          Effect.provide(transport({ baseUrl: server.url, token }))
        )
        assert.strictEqual(reply.status, 307)
      }
      assert.lengthOf(elsewhere.received, 0)
    }))
})

/** Spellings that are refused. */
const refused: ReadonlyArray<string> = [
  "http://api.basilica.ai",
  "HTTP://API.BASILICA.AI",
  "http:api.basilica.ai",
  "http:\\\\api.basilica.ai",
  "  http://api.basilica.ai  ",
  "ht\ttp://api.basilica.ai",
  "http://localhost.evil.example",
  "http://evil.localhost.example",
  "http://127.0.0.1.evil.example",
  "http://127.0.0.1@evil.example",
  "http://localhost:80@evil.example",
  "http://localhost%2eevil.example",
  "http://localhost%00.evil.example",
  "http://evil.example#@localhost",
  "http://evil.example?@localhost",
  "http://evil.example\\@localhost",
  "http://0.0.0.0",
  "http://0",
  "http://[::]",
  "http://[::ffff:127.0.0.1]",
  "http://[::ffff:7f00:1]",
  "http://[::127.0.0.1]",
  "http://[fe80::1]",
  "http://128.0.0.1",
  "http://10.0.0.1",
  "http://169.254.169.254",
  "http://0x80000001",
  "http://l\u043ecalhost",
  "http://\u24db\u24de\u24d2al.host",
  "http://user@localhost",
  "http://:pass@127.0.0.1",
  "https://user:pass@api.basilica.ai",
  "https://api.basilica.ai?token=x",
  "https://api.basilica.ai#x",
  "ws://127.0.0.1",
  "file:///etc/passwd",
  "javascript:alert(1)",
  "data:text/plain,x",
  "//127.0.0.1",
  "127.0.0.1:3000"
]

/** Spellings of this very machine, and what they mean. */
const allowed: ReadonlyArray<readonly [string, string]> = [
  ["http://localhost", "localhost"],
  ["http://LOCALHOST:3000", "localhost"],
  ["http://127.0.0.1", "127.0.0.1"],
  ["http://127.1", "127.0.0.1"],
  ["http://127.255.255.254", "127.255.255.254"],
  ["http://0x7f.1", "127.0.0.1"],
  ["http://0177.0.0.1", "127.0.0.1"],
  ["http://2130706433", "127.0.0.1"],
  ["http://127.0.0.1.", "127.0.0.1"],
  ["http://[::1]:3000", "[::1]"],
  ["http://[0:0:0:0:0:0:0:1]", "[::1]"],
  ["http://\uff11\uff12\uff17.0.0.1", "127.0.0.1"],
  ["https://api.basilica.ai", "api.basilica.ai"],
  ["https://10.0.0.1/prefix/", "10.0.0.1"]
]

describe("a base URL", () => {
  for (const baseUrl of refused) {
    it.effect(`spelled ${JSON.stringify(baseUrl)} is refused before anything is sent`, () =>
      Effect.gen(function*() {
        const error = yield* Executors.use((_) => _.listAvailable()).pipe(
          Effect.provide(Basilica.layer({ baseUrl, token })),
          Effect.flip
        )
        assert.strictEqual(error._tag, "ConfigurationError")
        for (const part of ["pass@", "token=x", "evil", "alert"]) assert.notInclude(error.message, part)
      }))
  }

  it("is not repeated where it is refused: it may be a secret that was given in its place", () => {
    for (const baseUrl of [token, `user:${token}`, `${token.slice(9, 15)}:secret`]) {
      const result = BaseUrl.parse(baseUrl)
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) assert.notInclude(result.failure.message, baseUrl.split(":")[0] ?? "")
    }
  })

  for (const [baseUrl, host] of allowed) {
    it(`spelled ${JSON.stringify(baseUrl)} is understood as ${host}`, () => {
      const result = BaseUrl.parse(baseUrl)
      assert.isTrue(Result.isSuccess(result))
      if (Result.isSuccess(result)) assert.strictEqual(new URL(result.success).hostname, host)
    })
  }

  it.live("holds for the path of a call of the user's own, which cannot lead to another host", () =>
    Effect.gen(function*() {
      const elsewhere = yield* scriptedServer((response) => json(response, 200, {}))
      const server = yield* scriptedServer((response) => json(response, 200, {}))
      const host = new URL(elsewhere.url).host
      for (const [, transport] of transports) {
        for (
          const path of [
            elsewhere.url,
            `//${host}`,
            `@${host}`,
            `\\\\${host}`,
            `:x@${host}`,
            `/..//${host}`,
            `.${host}`
          ]
        ) {
          yield* Effect.exit(
            Transport.use((_) => _.client.get(path)).pipe(Effect.provide(transport({ baseUrl: server.url, token })))
          )
        }
      }
      assert.lengthOf(elsewhere.received, 0)
    }))
})
