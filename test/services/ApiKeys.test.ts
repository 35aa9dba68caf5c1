import { assert, describe, it } from "@effect/vitest"
import { ApiKeys } from "basilica-sdk"
import { Effect, Redacted, Result } from "effect"
import type { ServerResponse } from "node:http"
import { inspect } from "node:util"
import { against } from "../support/client.ts"
import { bare, envelope, json, scriptedServer } from "../support/ScriptedServer.ts"

const made = { name: "ci-bot", created_at: "2025-09-20T12:00:00Z" }
const create = ApiKeys.use((apiKeys) => apiKeys.create("ci-bot"))
const revoke = ApiKeys.use((apiKeys) => apiKeys.revoke("ci-bot"))

describe("ApiKeys", () => {
  it.live("shows the secret once, redacted", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, { ...made, token: "basilica_canary" }))
      const key = yield* create.pipe(against({ baseUrl: server.url }))
      assert.strictEqual(Redacted.value(key.token), "basilica_canary")
      assert.notInclude(inspect(key, { depth: null, showHidden: true }) + JSON.stringify(key), "canary")
      assert.deepStrictEqual(server.received.map(({ body, method }) => method + body), [
        "GET",
        "POST{\"name\":\"ci-bot\"}"
      ])
    }))

  it.live("is a conflict, in the service's words, where the name is taken", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        envelope(response, 409, "BASILICA_API_CONFLICT", "Conflict: API key with name 'ci-bot' already exists")
      )
      const error = yield* create.pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(error._tag, "Conflict")
      assert.match(error.message, /already exists/)
    }))

  it.live("sends a create once, and says that its outcome is unknown where nothing is answered any more", () =>
    Effect.gen(function*() {
      for (const status of [0, 500, 503]) {
        const server = yield* scriptedServer((response) => status === 0 ? response.destroy() : bare(response, status))
        const error = yield* create.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { outcome: "unknown" })
        assert.lengthOf(server.received.filter(({ method }) => method === "POST"), 1)
      }
    }))

  describe("create", () => {
    /** A service with keys; the faults of its calls, in their order, are what becomes of the reply. */
    const service = (keys: Set<string>, faults: Record<string, ReadonlyArray<Fault | undefined>>) =>
      scriptedServer((response, { method }) => {
        const [fault, ...rest] = faults[method] ?? []
        faults[method] = rest
        if (fault === "drop") return response.destroy()
        if (fault === "refuse") return bare(response, 403)
        const before = keys.has("ci-bot")
        if (method === "POST") keys.add("ci-bot")
        if (method === "DELETE") keys.delete("ci-bot")
        if (fault === "hang") return
        if (fault === "lose") return response.destroy()
        if (fault === "garble") return json(response, 200, "what?")
        if (method === "GET") return json(response, 200, [...keys].map((name) => ({ ...made, name, kid: "1" })))
        if (method === "DELETE") return bare(response, before ? 200 : 404)
        if (before) return envelope(response, 409, "BASILICA_API_CONFLICT", "Conflict: it already exists")
        json(response, 200, { ...made, token: "basilica_canary" })
      })
    type Fault = "drop" | "lose" | "hang" | "garble" | "refuse"

    const cases: ReadonlyArray<{
      readonly name: string
      readonly keys?: ReadonlyArray<string>
      readonly faults: Record<string, ReadonlyArray<Fault | undefined>>
      readonly sent: string
      /** Nothing where a key is made. */
      readonly error?: object
      readonly left: ReadonlyArray<string>
    }> = [
      {
        name: "loses its reply after the work: the key is revoked and made again",
        faults: { POST: ["lose"] },
        sent: "GET POST GET DELETE POST",
        left: ["ci-bot"]
      },
      {
        name: "loses its reply before the work: the key is made",
        faults: { POST: ["drop"] },
        sent: "GET POST GET POST",
        left: ["ci-bot"]
      },
      {
        name: "is answered with something unreadable: as if the reply was lost",
        faults: { POST: ["garble"] },
        sent: "GET POST GET DELETE POST",
        left: ["ci-bot"]
      },
      {
        name: "is never answered: the look at it has time left",
        faults: { POST: ["hang"] },
        sent: "GET POST GET DELETE POST",
        left: ["ci-bot"]
      },
      {
        name: "loses its reply where the key existed before: it is a conflict, and the key stays",
        keys: ["ci-bot"],
        faults: { POST: ["lose"] },
        sent: "GET POST GET",
        error: { _tag: "Conflict", outcome: "none" },
        left: ["ci-bot"]
      },
      {
        name: "loses its reply where it is not known whether the key existed: nothing is revoked",
        faults: { GET: ["refuse"], POST: ["lose"] },
        sent: "GET POST GET",
        error: { _tag: "NetworkError", outcome: "unknown" },
        left: ["ci-bot"]
      },
      {
        name: "loses its reply, and the list cannot be had: its outcome is unknown",
        faults: { GET: [undefined, "refuse"], POST: ["lose"] },
        sent: "GET POST GET",
        error: { _tag: "NetworkError", outcome: "unknown" },
        left: ["ci-bot"]
      },
      {
        name: "loses its reply, and the key cannot be revoked: its outcome is unknown",
        faults: { POST: ["lose"], DELETE: ["refuse"] },
        sent: "GET POST GET DELETE",
        error: { _tag: "NetworkError", outcome: "unknown" },
        left: ["ci-bot"]
      },
      {
        name: "loses both of its replies: its outcome is unknown, and it is not sent a third time",
        faults: { POST: ["lose", "lose"] },
        sent: "GET POST GET DELETE POST",
        error: { _tag: "NetworkError", outcome: "unknown" },
        left: ["ci-bot"]
      },
      {
        name: "loses its reply, and is refused at the second try: its outcome is unknown",
        faults: { POST: ["drop", "refuse"] },
        sent: "GET POST GET POST",
        error: { _tag: "NetworkError", outcome: "unknown" },
        left: []
      },
      {
        name: "is refused: nothing more is done",
        faults: { POST: ["refuse"] },
        sent: "GET POST",
        error: { _tag: "AuthorizationError", outcome: "none" },
        left: []
      },
      {
        name: "needs no list where its reply arrives",
        faults: { GET: ["refuse"] },
        sent: "GET POST",
        left: ["ci-bot"]
      }
    ]
    for (const { error, faults, keys = [], left, name, sent } of cases) {
      it.live(name, () =>
        Effect.gen(function*() {
          const there = new Set(keys)
          const server = yield* service(there, { ...faults })
          const exit = yield* Effect.result(create).pipe(against({ baseUrl: server.url, timeout: "2 seconds" }))
          assert.strictEqual(server.received.map(({ method }) => method).join(" "), sent)
          if (error === undefined) assert.isTrue(Result.isSuccess(exit))
          else assert.deepInclude(Result.isFailure(exit) ? exit.failure : undefined, error)
          assert.deepStrictEqual([...there], left)
        }))
    }
  })

  it.live("tells who used an API key to manage API keys that a refresh does not help", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        envelope(
          response,
          401,
          "BASILICA_API_AUTH_ERROR",
          "Authentication error: API key management requires human authentication (JWT)"
        )
      )
      const error = yield* ApiKeys.use((apiKeys) => apiKeys.list).pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(error._tag, "AuthenticationError")
      assert.match(error.message, /access token, not with another API key/)
      assert.lengthOf(server.received, 1)
    }))

  it.live("revokes; what is gone after a lost reply was revoked, what never was is NotFound", () =>
    Effect.gen(function*() {
      const gone = yield* scriptedServer((response, _, count) =>
        count === 1 ? response.destroy() : envelope(response, 404, "BASILICA_API_NOT_FOUND", "not found")
      )
      yield* revoke.pipe(against({ baseUrl: gone.url }))
      const never = yield* scriptedServer((response) => envelope(response, 404, "BASILICA_API_NOT_FOUND", "not found"))
      const error = yield* revoke.pipe(against({ baseUrl: never.url }), Effect.flip)
      assert.strictEqual(error._tag, "NotFound")
    }))

  it.live("is revoked by nothing but the service's own word, or the list", () =>
    Effect.gen(function*() {
      const answers: ReadonlyArray<readonly [string, (response: ServerResponse) => void]> = [
        ["200 JSON", (response) => json(response, 200, { ok: false })],
        ["200 text", (response) => json(response, 200, "x")],
        ["200 page", (response) => void response.writeHead(200).end("<html>Sign in</html>")],
        ["202", (response) => bare(response, 202)]
      ]
      const item = (name: unknown) => ({ kid: "0".repeat(32), name, created_at: made.created_at, last_used_at: null })
      const lists: ReadonlyArray<readonly [string, boolean, (response: ServerResponse) => void]> = [
        ["without it", true, (response) => json(response, 200, [item("other")])],
        ["with it", false, (response) => json(response, 200, [item("ci-bot")])],
        ["with one that may be it", false, (response) => json(response, 200, [item(5)])],
        ["that fails", false, (response) => bare(response, 500)]
      ]
      for (const [answer, reply] of answers) {
        for (const [what, proves, list] of lists) {
          const server = yield* scriptedServer((response, { method }) => (method === "GET" ? list : reply)(response))
          const exit = yield* Effect.result(revoke).pipe(against({ baseUrl: server.url }))
          assert.strictEqual(Result.isSuccess(exit), proves, `${answer}, a list ${what}`)
          if (Result.isFailure(exit)) assert.deepInclude(exit.failure, { _tag: "InvalidResponse", outcome: "unknown" })
          assert.lengthOf(server.received.filter(({ method }) => method === "DELETE"), 1)
        }
      }
      for (const status of [200, 204]) {
        const server = yield* scriptedServer((response) => bare(response, status))
        yield* revoke.pipe(against({ baseUrl: server.url }))
        assert.lengthOf(server.received, 1)
      }
    }))

  it.live("refuses names that the service refuses, and names that would leave their segment", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 200))
      for (const name of ["", "..", "a b", "a/b", "ä", "a".repeat(101)]) {
        for (const call of [ApiKeys.use((keys) => keys.create(name)), ApiKeys.use((keys) => keys.revoke(name))]) {
          const error = yield* Effect.flip(call as typeof revoke).pipe(against({ baseUrl: server.url }))
          assert.strictEqual(error._tag, "ConfigurationError")
        }
      }
      assert.lengthOf(server.received, 0)
    }))
})
