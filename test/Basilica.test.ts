import { assert, describe, it } from "@effect/vitest"
import { Basilica, Deployments, Executors, Health } from "basilica-sdk"
import { ConfigProvider, Effect, Layer } from "effect"
import { bare, json, scriptedServer } from "./support/ScriptedServer.ts"

const noExecutors = { available_executors: [], total_count: 0 }
const list = Executors.use((executors) => executors.listAvailable())

describe("Basilica.layer", () => {
  it.live("keeps two clients of one program apart", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, noExecutors))
      const outer = Basilica.layer({ baseUrl: server.url, token: "outer" })
      const inner = Basilica.layer({ baseUrl: server.url, token: "inner" })
      yield* list.pipe(
        Effect.andThen(Effect.provide(list, inner)),
        Effect.andThen(list),
        Effect.provide(outer)
      )
      assert.deepStrictEqual(
        server.received.map(({ headers }) => headers.authorization),
        ["Bearer outer", "Bearer inner", "Bearer outer"]
      )
    }))

  it.live("is built once where one value is provided twice", () =>
    Effect.gen(function*() {
      const layer = Basilica.layer({ token: "t" })
      const [one, two] = yield* Effect.all([Executors, Executors.pipe(Effect.provide(layer))]).pipe(
        Effect.provide(layer)
      )
      assert.strictEqual(one, two)
    }))
})

describe("the options of Basilica.layer", () => {
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    [
      { baseURL: "http://127.0.0.1:1", token: "t" },
      "baseURL is not an option here; look at its spelling: did you mean baseUrl?"
    ],
    [{ tokn: "t" }, "tokn is not an option here; look at its spelling: did you mean token?"],
    ["http://127.0.0.1:1", "options has the type string; allowed: object"]
  ]
  it.effect.each(cases)("are refused where they are %j", ([options, words]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.provide(list, Basilica.layer(options as never)))
      assert.strictEqual(error.message, `Basilica: ${words}. Nothing was sent.`)
    }))
})

describe("Basilica.layerConfig", () => {
  const fromEnv = (env: Record<string, string>) =>
    Layer.provide(Basilica.layerConfig, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

  it.live("reads the environment", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, noExecutors))
      yield* list.pipe(Effect.provide(fromEnv({ BASILICA_API_URL: server.url, BASILICA_API_TOKEN: " from-env " })))
      assert.strictEqual(server.received[0]?.headers.authorization, "Bearer from-env")
    }))

  it.live("works without a token for what needs none", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 400))
      const layer = fromEnv({ BASILICA_API_URL: server.url })
      const health = yield* Health.use((service) => service.check).pipe(Effect.provide(layer), Effect.flip)
      assert.strictEqual(health._tag, "ApiError")
      const error = yield* Deployments.use((service) => service.list()).pipe(Effect.provide(layer), Effect.flip)
      assert.strictEqual(error._tag, "AuthenticationError")
      assert.lengthOf(server.received, 1)
    }))

  it.effect("refuses a bad base URL and a bad token, by the name of the variable", () =>
    Effect.gen(function*() {
      for (const env of [{ BASILICA_API_URL: "http://evil" }, { BASILICA_API_TOKEN: "a b" }]) {
        const error = yield* list.pipe(Effect.provide(fromEnv(env)), Effect.flip)
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.include(error.message, Object.keys(env)[0] ?? "none")
      }
    }))
})
