import { assert, describe, it } from "@effect/vitest"
import { ApiKeys } from "basilica-sdk"
import { Effect, Redacted } from "effect"
import { inspect } from "node:util"
import { against } from "../support/client.ts"
import { bare, envelope, json, scriptedServer } from "../support/ScriptedServer.ts"

const create = ApiKeys.use((apiKeys) => apiKeys.create("ci-bot"))
const revoke = ApiKeys.use((apiKeys) => apiKeys.revoke("ci-bot"))

describe("ApiKeys", () => {
  it.live("shows the secret once, redacted", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        json(response, 200, { name: "ci-bot", created_at: "2025-09-20T12:00:00Z", token: "basilica_canary" })
      )
      const key = yield* create.pipe(against({ baseUrl: server.url }))
      assert.strictEqual(Redacted.value(key.token), "basilica_canary")
      assert.notInclude(inspect(key, { depth: null, showHidden: true }) + JSON.stringify(key), "canary")
      assert.strictEqual(server.received[0]?.body, "{\"name\":\"ci-bot\"}")
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

  it.live("sends a create once, and says that its outcome is unknown where the reply is lost", () =>
    Effect.gen(function*() {
      for (const status of [0, 500, 503]) {
        const server = yield* scriptedServer((response) => status === 0 ? response.destroy() : bare(response, status))
        const error = yield* create.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { outcome: "unknown" })
        assert.lengthOf(server.received, 1)
      }
    }))

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
