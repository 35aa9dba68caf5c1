import { assert, describe, it } from "@effect/vitest"
import { ApiKeys, type Basilica, Deployments, Executors, Health } from "basilica-sdk"
import { MemoryBasilica } from "basilica-sdk/testing"
import { Effect, Logger, Metric, References, Stream, Tracer } from "effect"
import { inspect } from "node:util"
import { against, atOnce, basilica } from "../support/client.ts"
import {
  bare,
  json,
  logEvent,
  rental,
  rentalId,
  rentalItem,
  scriptedServer,
  started
} from "../support/ScriptedServer.ts"

/** A tracer that keeps every span. */
const recorder = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

const config = {
  executorId: "2f0c6a3e",
  image: "ubuntu:24.04",
  sshKey: "ssh-ed25519 canary-ssh-key me@host",
  environment: { PASSWORD: "canary-env" },
  command: ["canary-command"]
}

/** One call of every public method. */
const everything: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, Basilica.Services>]> = [
  ["Health.check", Health.use((health) => health.check)],
  ["Executors.listAvailable", Executors.use((executors) => executors.listAvailable())],
  ["Executors.get", Executors.use((executors) => executors.get("e1"))],
  ["Deployments.deploy", Deployments.use((deployments) => deployments.deploy(config))],
  ["Deployments.get", Deployments.use((deployments) => deployments.get(rentalId))],
  ["Deployments.list", Deployments.use((deployments) => deployments.list())],
  ["Deployments.status", Deployments.use((deployments) => deployments.status(rentalId))],
  ["Deployments.stop", Deployments.use((deployments) => deployments.stop(rentalId))],
  [
    "LogStream.follow",
    Stream.runDrain(Stream.unwrap(Deployments.useSync((deployments) => deployments.logs(rentalId))))
  ],
  [
    "Deployments.watch",
    Stream.runHead(Stream.unwrap(Deployments.useSync((deployments) => deployments.watch(rentalId, { interval: 1 }))))
  ],
  [
    "Deployments.waitUntilRunning",
    Deployments.use((deployments) => deployments.waitUntilRunning(rentalId, { timeout: "20 millis", interval: 1 }))
  ],
  ["ApiKeys.create", ApiKeys.use((apiKeys) => apiKeys.create("ci"))],
  ["ApiKeys.list", ApiKeys.use((apiKeys) => apiKeys.list)],
  ["ApiKeys.revoke", ApiKeys.use((apiKeys) => apiKeys.revoke("ci"))]
]

const good = scriptedServer((response, { method, url }) => {
  if (url === "/health") {
    return json(response, 200, {
      status: "healthy",
      version: "1",
      timestamp: "t",
      healthy_validators: 1,
      total_validators: 1
    })
  }
  if (url === "/executors") return json(response, 200, { available_executors: [], total_count: 0 })
  if (method === "POST") {
    return json(response, 200, url === "/rentals" ? started : { name: "ci", created_at: "t", token: "canary-key" })
  }
  if (method === "DELETE") return bare(response, 204)
  if (url === "/api-keys") return json(response, 200, [])
  if (url === "/rentals") return json(response, 200, { rentals: [rentalItem("Active")], total_count: 1 })
  if (!url.includes("/logs")) return json(response, 200, rental("active"))
  response.writeHead(200, { "content-type": "text/event-stream" })
  return response.end(logEvent("canary-line") + logEvent("canary-line"))
})

describe("observability", () => {
  it.live("makes a span of every public method, with what it was about", () =>
    Effect.gen(function*() {
      const server = yield* good
      const { spans, tracer } = recorder()
      for (const [, call] of everything) {
        yield* Effect.exit(call.pipe(against({ baseUrl: server.url }), Effect.withTracer(tracer)))
      }
      const names = new Set(spans.map(({ name }) => name))
      assert.deepStrictEqual(everything.map(([name]) => name).filter((name) => !names.has(name)), [])
      const attributesOf = (name: string) =>
        Object.fromEntries(spans.find((span) => span.name === name)?.attributes ?? [])
      assert.deepInclude(attributesOf("Deployments.deploy"), { image: "ubuntu:24.04", executor: "2f0c6a3e" })
      assert.deepInclude(attributesOf("Deployments.stop"), { deployment: rentalId })
      assert.deepInclude(attributesOf("LogStream.follow"), { deployment: rentalId })
      assert.deepInclude(attributesOf("Deployments.list"), { deployments: 1 })
    }))

  it.live("counts calls by outcome, retries and log lines", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { url }, count) => {
        if (count < 3) return bare(response, 503)
        if (!url.includes("/logs")) return bare(response, 404)
        response.writeHead(200, { "content-type": "text/event-stream" })
        return response.end(logEvent("a") + logEvent("b"))
      })
      yield* Effect.gen(function*() {
        const deployments = yield* Deployments
        yield* Stream.runDrain(deployments.logs(rentalId))
        yield* Effect.exit(deployments.get(rentalId))
        const counters = (yield* Metric.snapshot).flatMap((metric) =>
          metric.type === "Counter" && metric.id.startsWith("basilica_")
            ? [[metric.id, { ...metric.attributes }, Number(metric.state.count)] as const]
            : []
        )
        assert.sameDeepMembers(counters.map(([id, attributes, count]) => ({ id, ...attributes, count })), [
          { id: "basilica_calls_total", operation: "Deployments.logs", outcome: "ok", count: 1 },
          { id: "basilica_calls_total", operation: "Deployments.get", outcome: "NotFound", count: 1 },
          { id: "basilica_retries_total", operation: "Deployments.logs", count: 2 },
          { id: "basilica_log_lines_total", count: 2 }
        ])
      }).pipe(
        Effect.provide(basilica({ baseUrl: server.url })),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
    }))

  it.live("shows no secret in a span, a metric, a log or an error, whether a call succeeds or fails", () =>
    Effect.gen(function*() {
      const working = yield* good
      const failing = yield* scriptedServer((response) =>
        bare(response, 500, { "set-cookie": "session=canary-cookie" })
      )
      const { spans, tracer } = recorder()
      const logs: Array<string> = []
      const logger = Logger.make(({ cause, message }) => {
        logs.push(inspect([message, cause], { depth: null }))
      })
      for (const baseUrl of [working.url, failing.url, "http://127.0.0.1:1"]) {
        for (const [, call] of everything) {
          yield* call.pipe(
            Effect.tapCause((cause) => Effect.logError(cause)),
            Effect.tapError((error) =>
              Effect.sync(() => logs.push(inspect(error, { depth: null, showHidden: true }), JSON.stringify(error)))
            ),
            against({ baseUrl, token: "canary-token", retry: atOnce, timeout: "1 second" }),
            Effect.exit,
            Effect.withTracer(tracer),
            Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
            Effect.provideService(References.MinimumLogLevel, "All")
          )
        }
      }
      const metrics = inspect(yield* Metric.snapshot, { depth: null })
      const traces = spans.map(({ attributes, events, name }) => inspect([name, attributes, events], { depth: null }))
        .join()
      assert.isAbove(spans.length, everything.length)
      assert.isNotEmpty(logs)
      for (const text of [metrics, traces, logs.join()]) assert.notInclude(text, "canary")
    }))
})

it.effect("a call is counted under its own name where the program has attributes of that name", () =>
  Effect.gen(function*() {
    yield* Executors.use((executors) => executors.listAvailable())
    const [calls] = (yield* Metric.snapshot).filter(({ id }) => id === "basilica_calls_total")
    assert.deepInclude(calls?.attributes, { operation: "Executors.listAvailable", service: "shop" })
  }).pipe(
    Effect.provide(MemoryBasilica.layer()),
    Effect.provideService(Metric.CurrentMetricAttributes, { operation: "checkout", service: "shop" }),
    Effect.provideService(Metric.MetricRegistry, new Map())
  ))
