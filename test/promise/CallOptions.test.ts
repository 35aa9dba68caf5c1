import { BasilicaClient, ConfigurationError, type Duration } from "basilica-sdk/promise"
import { type Duration as EffectDuration, Effect, Exit, Scope } from "effect"
import { afterAll, assert, beforeAll, describe, expectTypeOf, it } from "vitest"
import { json, type ScriptedServer, scriptedServer } from "../support/ScriptedServer.ts"

const scope = Scope.makeUnsafe()
let server: ScriptedServer
let basilica: BasilicaClient
beforeAll(async () => {
  server = await Effect.runPromise(Scope.provide(scriptedServer((response) => json(response, 500, {})), scope))
  basilica = new BasilicaClient({ baseUrl: server.url, token: "secret-token-1" })
})
afterAll(async () => {
  await basilica.close()
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

const config = { executorId: "e1", image: "ubuntu:24.04", noSsh: true }

/** Every call, with something in the place of its options. */
const calls: Record<string, (options: never) => Promise<unknown>> = {
  "health": (options) => basilica.health(options),
  "deviceLogin": (options) => basilica.deviceLogin(options).next(),
  "signOut": (options) => basilica.signOut(options),
  "executors.listAvailable": (options) => basilica.executors.listAvailable({}, options),
  "executors.get": (options) => basilica.executors.get("e1", options),
  "deployments.deploy": (options) => basilica.deployments.deploy(config, options),
  "deployments.scoped": (options) => basilica.deployments.scoped(config, options),
  "deployments.reconcile": (options) => basilica.deployments.reconcile(options),
  "deployments.get": (options) => basilica.deployments.get("r1", options),
  "deployments.list": (options) => basilica.deployments.list({}, options),
  "deployments.status": (options) => basilica.deployments.status("r1", options),
  "deployments.stop": (options) => basilica.deployments.stop("r1", options),
  "deployments.waitUntilRunning": (options) => basilica.deployments.waitUntilRunning("r1", options),
  "deployments.logs": (options) => basilica.deployments.logs("r1", options).next(),
  "deployments.watch": (options) => basilica.deployments.watch("r1", options).next(),
  "apiKeys.create": (options) => basilica.apiKeys.create("ci", options),
  "apiKeys.list": (options) => basilica.apiKeys.list(options),
  "apiKeys.revoke": (options) => basilica.apiKeys.revoke("ci", options),
  // In the place of the filters.
  "executors.listAvailable()": (options) => basilica.executors.listAvailable(options),
  "deployments.list()": (options) => basilica.deployments.list(options)
}

const wrong: Record<string, () => unknown> = {
  "a signal": () => new AbortController().signal,
  "null": () => null,
  "a number": () => 60_000,
  "a text": () => "60 seconds",
  "a misspelt option": () => ({ singal: new AbortController().signal }),
  "a controller for a signal": () => ({ signal: new AbortController() })
}

describe.each(Object.entries(wrong))("%s in the place of the options", (_, make) => {
  it.each(Object.entries(calls))("is refused by %s before anything is sent", async (_, call) => {
    const before = server.received.length
    const error = await call(make() as never).catch((reason: unknown) => reason)
    assert.instanceOf(error, ConfigurationError)
    assert.match(error.message, /signal|singal|filters|options/)
    assert.lengthOf(server.received, before)
  })
})

it("null for a config is said to be that", async () => {
  const error = await basilica.deployments.deploy(null as never).catch((reason: unknown) => reason)
  assert.match(String(error), /config has the type null; allowed: object/)
})

describe("a call that fails", () => {
  it("names in its stack the line of the program that made it", async () => {
    const callers = {
      status: async () => await basilica.deployments.status("r1"),
      create: async () => await basilica.apiKeys.create("ci"),
      wrong: async () => await basilica.deployments.deploy({ image: "x" })
    }
    for (const [name, call] of Object.entries(callers)) {
      const error: unknown = await call().catch((reason: unknown) => reason)
      assert.instanceOf(error, Error)
      assert.isTrue(String(error.stack).startsWith(`${error.name}: ${error.message}\n    at `))
      assert.match(
        String(error.stack),
        new RegExp(`at .*\\b${name} .*CallOptions\\.test\\.ts:\\d+.*\n(.*\n)*.*src/services/`)
      )
    }
  })

  it("has the frames of its own caller, though the same error is rejected for each", async () => {
    const closed = new BasilicaClient({ baseUrl: "http://example.com", token: "t" })
    const first = async () => await closed.deployments.status("r1")
    const second = async () => await closed.deployments.status("r1")
    const errors = [await first().catch((error: unknown) => error), await second().catch((error: unknown) => error)]
    assert.strictEqual(errors[0], errors[1])
    const stack = String((errors[1] as Error).stack)
    assert.match(stack, /at .*second/)
    assert.notMatch(stack, /at .*first/)
    await closed.close()
    const after = [await first().catch((error: unknown) => error), await second().catch((error: unknown) => error)]
    assert.notStrictEqual(after[0], after[1])
    assert.match(String((after[0] as Error).stack), /at .*first/)
  })

  it("is its own error too where the program has stacks made of something else than text", async () => {
    const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace") ?? { value: undefined, writable: true }
    Error.prepareStackTrace = (_, sites) => ({ depth: sites.length })
    try {
      const error: unknown = await basilica.deployments.deploy({ image: "x" }).catch((reason: unknown) => reason)
      assert.instanceOf(error, ConfigurationError)
    } finally {
      Object.defineProperty(Error, "prepareStackTrace", { ...before, configurable: true })
    }
  })

  it("leaves the reason of a signal as it is", async () => {
    const reason = new ConfigurationError({ operation: "mine", problems: [] })
    const { stack } = reason
    const gone = new AbortController()
    const call = basilica.deployments.status("r1", { signal: gone.signal })
    gone.abort(reason)
    assert.strictEqual(await call.catch((error: unknown) => error), reason)
    assert.strictEqual(reason.stack, stack)
  })
})

it("a length of time is what Effect takes, in the singular too", () => {
  expectTypeOf<Duration>().toExtend<EffectDuration.Input>()
  expectTypeOf<"1 minute" | "1.5 hours" | "1 day" | "500 millis" | 5>().toExtend<Duration>()
  expectTypeOf<"1 year">().not.toExtend<Duration>()
})
