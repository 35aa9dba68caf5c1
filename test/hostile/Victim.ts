import { ApiKeys, Basilica, Deployments, Executors, Health } from "basilica-sdk"
import { Effect, Layer, Logger, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { atOnce } from "../support/client.ts"
import { logEvent, rental, rentalId, rentalItem, started } from "../support/ScriptedServer.ts"

/** A token that has the look of a real one. */
export const token = "basilica_c4n4ry-T0ken~abcdefghijklmnopqrstuvwxyz.0123456789"

export const executorItem = (id: string, more: Record<string, unknown> = {}) => ({
  executor: {
    id,
    gpu_specs: [{ name: "NVIDIA H100 80GB HBM3", memory_gb: 80, compute_capability: "8.0" }],
    cpu_specs: { cores: 64, model: "AMD EPYC 9554", memory_gb: 512 },
    location: "Ashburn/Virginia/US",
    network_speed: { download_mbps: 941.2, upload_mbps: null, test_timestamp: "2025-09-19T10:00:00Z" },
    ...more
  },
  availability: { available_until: null, verification_score: 0.98, uptime_percentage: 99.5 }
})

export const config = { executorId: "2f0c6a3e", image: "ubuntu:24.04", noSsh: true }

/** A request that a service makes, and the reply that is right for it. */
export interface Operation {
  readonly name: string
  readonly run: Effect.Effect<unknown, { readonly _tag: string; readonly message: string }, Basilica.Services>
  /** The request that faults are for. */
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  readonly reply: unknown
}

const health = { status: "healthy", version: "1", timestamp: "t", healthy_validators: 1, total_validators: 1 }
const key = { kid: "0".repeat(32), name: "ci", created_at: "2025-09-20T12:00:00Z", last_used_at: null }
const executors = { available_executors: [executorItem("2f0c6a3e"), executorItem("e2")], total_count: 2 }
const rentals = { rentals: [rentalItem("Active")], total_count: 1 }
const created = { name: "ci", created_at: "2025-09-20T12:00:00Z", token: "basilica_new" }

/** Every request that the SDK makes, one operation for each. */
export const operations: ReadonlyArray<Operation> = [
  { name: "Health.check", run: Health.use((_) => _.check), method: "GET", path: "/health", reply: health },
  {
    name: "Executors.listAvailable",
    run: Executors.use((_) => _.listAvailable()),
    method: "GET",
    path: "/executors",
    reply: executors
  },
  {
    name: "Executors.get",
    run: Executors.use((_) => _.get("e2")),
    method: "GET",
    path: "/executors",
    reply: executors
  },
  { name: "Deployments.list", run: Deployments.use((_) => _.list()), method: "GET", path: "/rentals", reply: rentals },
  {
    name: "Deployments.deploy",
    run: Deployments.use((_) => _.deploy(config)),
    method: "POST",
    path: "/rentals",
    reply: started
  },
  {
    name: "Deployments.get",
    run: Deployments.use((_) => _.get(rentalId)),
    method: "GET",
    path: `/rentals/${rentalId}`,
    reply: rental("active")
  },
  {
    name: "Deployments.status",
    run: Deployments.use((_) => _.status(rentalId)),
    method: "GET",
    path: `/rentals/${rentalId}`,
    reply: rental("active")
  },
  {
    name: "Deployments.stop",
    run: Deployments.use((_) => _.stop(rentalId)),
    method: "DELETE",
    path: `/rentals/${rentalId}`,
    reply: undefined
  },
  {
    name: "Deployments.logs",
    run: Stream.runDrain(Stream.unwrap(Deployments.useSync((_) => _.logs(rentalId)))),
    method: "GET",
    path: `/rentals/${rentalId}/logs`,
    reply: undefined
  },
  {
    name: "ApiKeys.create",
    run: ApiKeys.use((_) => _.create("ci")),
    method: "POST",
    path: "/api-keys",
    reply: created
  },
  { name: "ApiKeys.list", run: ApiKeys.use((_) => _.list), method: "GET", path: "/api-keys", reply: [key] },
  {
    name: "ApiKeys.revoke",
    run: ApiKeys.use((_) => _.revoke("ci")),
    method: "DELETE",
    path: "/api-keys/ci",
    reply: undefined
  }
]

/** What a service that works answers. */
export const goodReply = (method: string, path: string): Response => {
  if (path.endsWith("/logs")) {
    return new Response(logEvent("a line"), { headers: { "content-type": "text/event-stream" } })
  }
  const reply = operations.find((one) => one.method === method && one.path === path)?.reply
  return reply === undefined ? new Response(null, { status: 204 }) : Response.json(reply)
}

/** Every service over a network that is made up: `reply` answers each request. */
export const over = (
  reply: (method: string, path: string, url: URL) => Response,
  options: Basilica.BasilicaOptions = {},
  logs: Array<string> = []
): Layer.Layer<Basilica.Services, unknown> =>
  Basilica.layerHttpClient({ token, baseUrl: "https://x.test", retry: atOnce, ...options }).pipe(
    Layer.provide(Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request, url) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, reply(request.method, url.pathname, url)))
      )
    )),
    Layer.provideMerge(Logger.layer([Logger.make(({ message }) => {
      logs.push(String(message))
    })]))
  )

/** The transports that there are. */
export const transports: ReadonlyArray<
  readonly [string, (options: Basilica.BasilicaOptions) => ReturnType<typeof Basilica.layer>]
> = [
  ["undici", (options) => Basilica.layer(options)],
  ["fetch", (options) => Layer.provide(Basilica.layerHttpClient(options), FetchHttpClient.layer)]
]
