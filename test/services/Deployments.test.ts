import { assert, describe, it } from "@effect/vitest"
import { type DeploymentConfig, Deployments } from "basilica-sdk"
import { Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import type { ServerResponse } from "node:http"
import { against, atOnce, basilica } from "../support/client.ts"
import {
  type Answer,
  bare,
  envelope,
  json,
  rental,
  rentalId,
  rentalItem,
  scriptedServer,
  started
} from "../support/ScriptedServer.ts"

const config: DeploymentConfig = {
  executorId: "2f0c6a3e",
  image: "ubuntu:24.04",
  sshKey: "ssh-ed25519 AAAA me@host",
  environment: { TOKEN: "canary-env" }
}
const deploy = Deployments.use((deployments) => deployments.deploy(config))
const stop = Deployments.use((deployments) => deployments.stop(rentalId))

/** Answers by method: `POST` as the test says, a list that is empty, and 204 to every stop. */
const service = (post: Answer, items: ReadonlyArray<unknown> = []): Answer => (response, request, count) => {
  if (request.method === "POST") return post(response, request, count)
  if (request.method === "DELETE") return bare(response, 204)
  return json(response, 200, { rentals: items, total_count: items.length })
}
const posts = (server: { readonly received: ReadonlyArray<{ readonly method: string }> }) =>
  server.received.filter(({ method }) => method === "POST").length
const deletes = (server: { readonly received: ReadonlyArray<{ readonly method: string }> }) =>
  server.received.filter(({ method }) => method === "DELETE").length

describe("Deployments.deploy", () => {
  it.live("sends what the contract says", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, started))
      const deployment = yield* deploy.pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(JSON.parse(server.received[0]?.body ?? ""), {
        executor_selection: { type: "executor_id", executor_id: "2f0c6a3e" },
        container_image: "ubuntu:24.04",
        ssh_public_key: "ssh-ed25519 AAAA me@host",
        environment: { TOKEN: "canary-env" },
        ports: [],
        resources: { cpu_cores: 1, memory_mb: 1024, storage_mb: 10240, gpu_count: 0, gpu_types: [] },
        command: [],
        volumes: [],
        no_ssh: false
      })
      assert.strictEqual(server.received[0]?.headers["content-type"], "application/json")
      assert.deepInclude(deployment, {
        id: rentalId,
        executorId: "2f0c6a3e",
        image: "ubuntu:24.04",
        status: { _tag: "Running", raw: "running" },
        ssh: { host: "84.200.81.243", port: 32776, username: "root", command: "ssh -p 32776 root@84.200.81.243" },
        ports: [{ containerPort: 22, hostPort: 32776, protocol: "tcp" }]
      })
    }))

  it.live("sends GPU requirements, and a key that nobody holds where no SSH is wanted", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        json(response, 200, { rental_id: rentalId, ssh_credentials: null })
      )
      const deployment = yield* Deployments.use((deployments) =>
        deployments.deploy({ gpu: { type: "h100", count: 2 }, image: "ubuntu", noSsh: true })
      ).pipe(against({ baseUrl: server.url }))
      const body = JSON.parse(server.received[0]?.body ?? "")
      assert.deepStrictEqual(body.executor_selection, {
        type: "gpu_requirements",
        gpu_requirements: { min_memory_gb: 0, gpu_count: 2, gpu_type: "h100" }
      })
      assert.match(body.ssh_public_key, /^ssh-\S+ \S/)
      assert.deepInclude(deployment, { hasSsh: false, ssh: undefined })
    }))

  it.live("refuses a bad config before anything is sent", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, started))
      const error = yield* Deployments.use((deployments) => deployments.deploy({ ...config, image: "Bad" })).pipe(
        against({ baseUrl: server.url }),
        Effect.flip
      )
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.lengthOf(server.received, 0)
    }))

  it.live("warns, by name alone, of values that the service's shell would split", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, started))
      const logs: Array<string> = []
      yield* Deployments.use((deployments) =>
        deployments.deploy({ ...config, environment: { GREETING: "canary env" }, command: ["sh", "-c", "a; canary"] })
      ).pipe(against({ baseUrl: server.url }, logs))
      assert.lengthOf(logs, 1)
      assert.match(logs[0] ?? "", /environment\.GREETING, command\[2\]/)
      assert.notInclude(logs.join(), "canary")
    }))

  for (const status of [400, 404, 409, 413, 415, 422]) {
    it.live(`takes ${status} as the service's no`, () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer((response) =>
          envelope(response, status, "BASILICA_API_BAD_REQUEST", "Bad request: no")
        )
        const error = yield* deploy.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, {
          _tag: "DeploymentError",
          status,
          outcome: "none",
          code: "BASILICA_API_BAD_REQUEST"
        })
        assert.match(error.message, /Bad request: no/)
        assert.lengthOf(server.received, 1)
      }))
  }

  const lost: Record<string, (response: ServerResponse) => void> = {
    "a 500": (response) => envelope(response, 500, "BASILICA_API_OTHER_ERROR", "Failed to start rental: 500 - "),
    "a 502 that calls itself retryable": (response) =>
      envelope(response, 502, "BASILICA_API_VALIDATOR_COMM_ERROR", "x", true),
    "a 503": (response) => bare(response, 503),
    "a 504": (response) => bare(response, 504),
    "an empty 408": (response) => bare(response, 408),
    "a redirect": (response) => bare(response, 307, { location: "http://127.0.0.1:1/" }),
    "a reset after the work": (response) => response.socket?.resetAndDestroy(),
    "a close without a reply": (response) => response.socket?.end(),
    "a body cut short": (response) => {
      response.writeHead(200, { "content-length": "1000" })
      response.write("{", () => response.socket?.destroy())
    },
    "a body that is no JSON": (response) => response.end("<html>"),
    "a body without an id": (response) => json(response, 200, {}),
    "a reply that never comes": () => {}
  }
  for (const [what, answer] of Object.entries(lost)) {
    it.live(`sends once and reports an unknown outcome after ${what}`, () =>
      Effect.gen(function*() {
        const now = new Date().toISOString()
        const server = yield* scriptedServer(service(answer, [
          rentalItem("Active", { created_at: now }),
          rentalItem("Active", { rental_id: "rental-other-image", container_image: "debian", created_at: now }),
          rentalItem("Active", { rental_id: "rental-other-machine", executor_id: "other", created_at: now }),
          rentalItem("Active", { rental_id: "rental-old", created_at: "2020-01-01T00:00:00+00:00" }),
          rentalItem("Stopped", { rental_id: "rental-stopped", created_at: now })
        ]))
        const error = yield* deploy.pipe(against({ baseUrl: server.url, deployTimeout: "200 millis" }), Effect.flip)
        assert.deepInclude(error, {
          _tag: "DeployOutcomeUnknown",
          executorId: "2f0c6a3e",
          image: "ubuntu:24.04",
          candidates: [rentalId],
          outcome: "unknown"
        })
        assert.match(error.message, /billed/)
        assert.strictEqual(posts(server), 1)
      }))
  }

  it.live("knows that nothing was done where it could not connect, was turned away, or was not let in", () =>
    Effect.gen(function*() {
      const refused = yield* deploy.pipe(against({ baseUrl: "http://127.0.0.1:1" }), Effect.flip)
      assert.deepInclude(refused, { _tag: "NetworkError", outcome: "none" })
      for (
        const [status, tag] of [[429, "RateLimited"], [401, "AuthenticationError"], [
          403,
          "AuthorizationError"
        ]] as const
      ) {
        const server = yield* scriptedServer((response) => bare(response, status))
        const error = yield* deploy.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { _tag: tag, outcome: "none" })
        assert.lengthOf(server.received, 1)
      }
    }))

  it.live("lets the request finish when it is interrupted, and stops what comes back before the layer closes", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<ServerResponse>()
      const server = yield* scriptedServer(service((response) => Deferred.doneUnsafe(arrived, Exit.succeed(response))))
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(basilica({ baseUrl: server.url }), scope)
      const fiber = yield* Effect.forkChild(Effect.provide(deploy, context))
      const response = yield* Deferred.await(arrived)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(deletes(server), 0)
      assert.strictEqual(server.connections(), 1)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      json(response, 200, started)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(server.received.map(({ method, url }) => `${method} ${url}`), [
        "POST /rentals",
        `DELETE /rentals/${rentalId}`
      ])
    }))
})

describe("Deployments.stop", () => {
  const table: ReadonlyArray<readonly [string, Answer, string | undefined, number]> = [
    ["a 204", (response) => bare(response, 204), undefined, 1],
    ["a 404 at once", (response) => bare(response, 404), "NotFound", 1],
    ["a 401", (response) => bare(response, 401), "AuthenticationError", 1],
    ["a 403", (response) => bare(response, 403), "AuthorizationError", 1],
    ["a 500 and then a 204", (response, _, count) => bare(response, count === 1 ? 500 : 204), undefined, 2],
    [
      "a lost reply and then a 404",
      (response, _, count) => count === 1 ? response.socket?.destroy() : bare(response, 404),
      undefined,
      2
    ],
    [
      "500 for good while it runs",
      (response, { method }) => method === "DELETE" ? bare(response, 500) : json(response, 200, rental("active")),
      "StopUnconfirmed",
      3
    ],
    [
      "500 for good while it is not there",
      (response, { method }) => bare(response, method === "DELETE" ? 500 : 404),
      undefined,
      3
    ],
    [
      "500 for good while it has ended",
      (response, { method }) => method === "DELETE" ? bare(response, 500) : json(response, 200, rental("terminated")),
      undefined,
      3
    ],
    [
      "500 for good, and the list says that it is stopping",
      (response, { method, url }) =>
        method === "GET" && url === "/rentals"
          ? json(response, 200, { rentals: [rentalItem("Stopping")], total_count: 1 })
          : bare(response, 500),
      "StopUnconfirmed",
      3
    ],
    ["500 for everything", (response) => bare(response, 500), "StopUnconfirmed", 3],
    ["429 for everything", (response) => bare(response, 429), "StopUnconfirmed", 3],
    [
      "a 400",
      (response, { method }) => method === "DELETE" ? bare(response, 400) : json(response, 200, rental("active")),
      "StopUnconfirmed",
      1
    ]
  ]
  for (const [what, answer, tag, sends] of table) {
    it.live(`${tag === undefined ? "succeeds" : `fails with ${tag}`} on ${what}`, () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer(answer)
        const found = yield* stop.pipe(
          against({ baseUrl: server.url }),
          Effect.match({ onFailure: (error) => error._tag, onSuccess: () => undefined })
        )
        assert.strictEqual(found, tag)
        assert.strictEqual(deletes(server), sends)
      }))
  }

  it.live("is loud where nobody answers", () =>
    Effect.gen(function*() {
      const error = yield* stop.pipe(against({ baseUrl: "http://127.0.0.1:1" }), Effect.flip)
      assert.strictEqual(error._tag, "StopUnconfirmed")
      assert.match(error.message, /billed/)
    }))

  it.live("sends no id that could leave its segment", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 204))
      for (
        const id of ["..", ".", "", "a/b", "../api-keys/prod", "a?b", "a#b", "%2e%2e", "a b", "ä", "a".repeat(129)]
      ) {
        const error = yield* Deployments.use((deployments) => deployments.stop(id)).pipe(
          against({ baseUrl: server.url }),
          Effect.flip
        )
        assert.strictEqual(error._tag, "ConfigurationError", id)
      }
      assert.lengthOf(server.received, 0)
    }))
})

describe("Deployments.status", () => {
  it.live("asks the list where the service cannot look at the container", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { url }) =>
        url === "/rentals"
          ? json(response, 200, { rentals: [rentalItem("Stopped")], total_count: 1 })
          : envelope(response, 500, "BASILICA_API_OTHER_ERROR", "Failed to get rental status: 404 Not Found - ")
      )
      const status = yield* Deployments.use((deployments) => deployments.status(rentalId)).pipe(
        against({ baseUrl: server.url })
      )
      assert.deepStrictEqual(status, { _tag: "Stopped", raw: "Stopped" })
    }))

  it.live("keeps the service's failure where the list does not know it either", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { url }) =>
        url === "/rentals" ? json(response, 200, { rentals: [], total_count: 0 }) : bare(response, 500)
      )
      const error = yield* Deployments.use((deployments) => deployments.status(rentalId)).pipe(
        against({ baseUrl: server.url }),
        Effect.flip
      )
      assert.deepInclude(error, { _tag: "ApiError", status: 500 })
    }))
})

describe("Deployments.list", () => {
  it.live("asks for a state in the service's own word", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        json(response, 200, { rentals: [rentalItem("Active")], total_count: 1 })
      )
      const { items } = yield* Deployments.use((deployments) => deployments.list({ status: "Running" })).pipe(
        against({ baseUrl: server.url })
      )
      assert.strictEqual(server.received[0]?.url, "/rentals?status=Active")
      assert.deepInclude(items[0], { id: rentalId, image: "ubuntu:24.04", hasSsh: true, location: {} })
    }))

  it.live("warns of what it could not understand", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        json(response, 200, { rentals: [{ rental_id: "rental-new-shape" }], total_count: 1 })
      )
      const logs: Array<string> = []
      const listing = yield* Deployments.use((deployments) => deployments.list()).pipe(
        against({ baseUrl: server.url }, logs)
      )
      assert.lengthOf(listing.invalid, 1)
      assert.match(logs[0] ?? "", /rental-new-shape/)
    }))
})

describe("Deployments.waitUntilRunning", () => {
  const wait = (options = {}) =>
    Deployments.use((deployments) => deployments.waitUntilRunning(rentalId, { interval: 1, ...options }))

  it.live("waits out passing failures and returns the deployment", () =>
    Effect.gen(function*() {
      const answers = [
        (response: ServerResponse) => json(response, 200, rental("pending")),
        (response: ServerResponse) => response.destroy(),
        (response: ServerResponse) => bare(response, 503),
        (response: ServerResponse) => json(response, 200, rental("hibernating")),
        (response: ServerResponse) => json(response, 200, rental("active"))
      ]
      const server = yield* scriptedServer((response) => (answers.shift() ?? answers[0])?.(response))
      const deployment = yield* wait().pipe(against({ baseUrl: server.url }))
      assert.deepInclude(deployment, { id: rentalId, status: { _tag: "Running", raw: "active" } })
    }))

  it.live("fails where it ended instead", () =>
    Effect.gen(function*() {
      for (const status of ["terminated", "failed"]) {
        const server = yield* scriptedServer((response) => json(response, 200, rental(status)))
        const error = yield* wait().pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { _tag: "DeploymentError", id: rentalId })
      }
    }))

  it.live("learns from the list that it ended where the service cannot look at it", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { url }) =>
        url === "/rentals"
          ? json(response, 200, { rentals: [rentalItem("Failed")], total_count: 1 })
          : bare(response, 500)
      )
      const error = yield* wait().pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(error._tag, "DeploymentError")
    }))

  it.live("returns the last state that was seen when time runs out, even inside one slow look", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, _, count) => {
        if (count === 1) json(response, 200, rental("pending"))
      })
      const error = yield* wait({ timeout: "200 millis" }).pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.deepInclude(error, {
        _tag: "TimeoutError",
        phase: "polling",
        lastSeen: { _tag: "Pending", raw: "pending" }
      })
      yield* server.allClosed
    }))

  it.live("does not wait for what is not there", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 404))
      const error = yield* wait().pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(error._tag, "NotFound")
      assert.lengthOf(server.received, 1)
    }))
})

describe("Deployments.watch", () => {
  const watch = Stream.unwrap(Deployments.useSync((deployments) => deployments.watch(rentalId, { interval: 1 })))

  it.live("gives the present state and each change, through failures, to the end", () =>
    Effect.gen(function*() {
      const states = ["pending", "pending", "", "active", "active", "terminated", "terminated"]
      const server = yield* scriptedServer((response) => {
        const state = states.shift()
        return state === "" ? bare(response, 400) : json(response, 200, rental(state ?? "terminated"))
      })
      // A 400 is not a passing failure, so this one ends the stream.
      const exit = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(exit._tag, "ApiError")
      const seen = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(seen.map(({ _tag }) => _tag), ["Running", "Stopped"])
    }))

  it.live("waits out ten failures in a row and takes what is gone as stopped", () =>
    Effect.gen(function*() {
      const answers = ["active", ...Array<string>(30).fill("fail"), "gone"]
      const server = yield* scriptedServer((response, { url }) => {
        if (url === "/rentals") return bare(response, 503)
        const state = answers.shift()
        if (state === "gone") return bare(response, 404)
        return state === "active" ? json(response, 200, rental("active")) : bare(response, 503)
      })
      const seen = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(seen.map(({ _tag }) => _tag), ["Running", "Stopped"])
    }))

  it.live("gives up after the eleventh", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 503))
      const error = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.deepInclude(error, { _tag: "ApiError", status: 503 })
    }))
})

describe("Deployments.scoped", () => {
  const use = (body: Effect.Effect<unknown, string>) =>
    Effect.scoped(Effect.andThen(Deployments.use((deployments) => deployments.scoped(config)), body))

  for (const [how, body] of [["success", Effect.void], ["failure", Effect.fail("no")]] as const) {
    it.live(`stops on ${how}`, () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer(service((response) => json(response, 200, started)))
        yield* Effect.exit(use(body).pipe(against({ baseUrl: server.url })))
        assert.strictEqual(deletes(server), 1)
      }))
  }

  it.live("stops on interruption, also while the deploy is on its way", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<ServerResponse>()
      const server = yield* scriptedServer(service((response) => Deferred.doneUnsafe(arrived, Exit.succeed(response))))
      const fiber = yield* Effect.forkChild(use(Effect.never).pipe(against({ baseUrl: server.url })))
      const response = yield* Deferred.await(arrived)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      json(response, 200, started)
      yield* Fiber.join(interrupting)
      assert.strictEqual(deletes(server), 1)
    }))

  it.live("does not mind that somebody else stopped it", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method }) =>
        method === "POST" ? json(response, 200, started) : bare(response, 404)
      )
      yield* use(Effect.void).pipe(against({ baseUrl: server.url }))
    }))

  it.live("ends with a defect and a log where the stop is not certain", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method }) =>
        method === "POST" ? json(response, 200, started) : bare(response, 403)
      )
      const logs: Array<string> = []
      const exit = yield* Effect.exit(use(Effect.void).pipe(against({ baseUrl: server.url, retry: atOnce }, logs)))
      assert.isTrue(Exit.isFailure(exit))
      assert.isTrue(logs.some((line) => line.includes("Deployments.stop")))
    }))
})
