import { assert, describe, it } from "@effect/vitest"
import {
  Basilica,
  ConfigurationError,
  type DeployIntent,
  DeployJournal,
  type DeploymentConfig,
  Deployments,
  type DeployOptions,
  type ReconcileOptions
} from "basilica-sdk"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import type { ServerResponse } from "node:http"
import { against, atOnce, basilica, onItsTime } from "../support/client.ts"
import { timed } from "../support/MachineTime.ts"
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

const gpu = (id: string, names: ReadonlyArray<string>) => ({
  executor: {
    id,
    gpu_specs: names.map((name) => ({ name, memory_gb: 80, compute_capability: "8.0" })),
    cpu_specs: { cores: 1, model: "m", memory_gb: 1 },
    location: null
  },
  availability: { available_until: null, verification_score: 1, uptime_percentage: 100 }
})

/**
 * Answers by method: `POST` as the test says, 204 to every stop, and a list that has what was there before until the
 * first `POST` has come in, and these items then.
 */
const service = (post: Answer, after: ReadonlyArray<unknown> = [], before: ReadonlyArray<unknown> = []): Answer => {
  let created = false
  return (response, request, count) => {
    if (request.method === "POST") {
      created = true
      return post(response, request, count)
    }
    if (request.method === "DELETE") return bare(response, 204)
    if (request.url.startsWith("/executors")) {
      const available = [
        gpu("e-none", []),
        gpu("e-a100", ["NVIDIA A100"]),
        gpu("e-h100", ["NVIDIA H100", "NVIDIA H100"])
      ]
      return json(response, 200, { available_executors: available, total_count: 3 })
    }
    const items = created ? after : before
    if (request.url === "/rentals") return json(response, 200, { rentals: items, total_count: items.length })
    return json(response, 200, rental("active"))
  }
}
const posts = (server: { readonly received: ReadonlyArray<{ readonly method: string }> }) =>
  server.received.filter(({ method }) => method === "POST").length
const deletes = (server: { readonly received: ReadonlyArray<{ readonly method: string }> }) =>
  server.received.filter(({ method }) => method === "DELETE").length

describe("Deployments.deploy", () => {
  it.live("sends what the contract says", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(service((response) => json(response, 200, started)))
      const deployment = yield* deploy.pipe(against({ baseUrl: server.url }))
      const sent = server.received.find(({ method }) => method === "POST")
      assert.deepStrictEqual(JSON.parse(sent?.body ?? ""), {
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
      assert.strictEqual(sent?.headers["content-type"], "application/json")
      assert.deepInclude(deployment, {
        id: rentalId,
        executorId: "2f0c6a3e",
        image: "ubuntu:24.04",
        status: { _tag: "Running", raw: "running" },
        ssh: { host: "84.200.81.243", port: 32776, username: "root", command: "ssh -p 32776 root@84.200.81.243" },
        ports: [{ containerPort: 22, hostPort: 32776, protocol: "tcp" }]
      })
      assert.notProperty(deployment, "reconciled")
    }))

  it.live("chooses a machine that has the GPUs, and sends a key that nobody holds where no SSH is wanted", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(
        service((response) => json(response, 200, { rental_id: rentalId, ssh_credentials: null }))
      )
      const deployment = yield* Deployments.use((deployments) =>
        deployments.deploy({ gpu: { type: "h100", count: 2, minMemoryGb: 80 }, image: "ubuntu", noSsh: true })
      ).pipe(against({ baseUrl: server.url }))
      assert.strictEqual(server.received[0]?.url, "/executors?gpu_type=h100&min_gpu_count=2&min_gpu_memory=80")
      const body = JSON.parse(server.received.find(({ method }) => method === "POST")?.body ?? "")
      assert.deepStrictEqual(body.executor_selection, { type: "executor_id", executor_id: "e-h100" })
      assert.match(body.ssh_public_key, /^ssh-\S+ \S/)
      assert.deepInclude(deployment, { executorId: "e-h100", hasSsh: false, ssh: undefined })
    }))

  it.live("sends nothing where no machine fits", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(service((response) => json(response, 200, started)))
      for (const gpu of [{ type: "b200" }, { count: 3 }, { minMemoryGb: 81 }]) {
        const error = yield* Deployments.use((deployments) => deployments.deploy({ gpu, image: "ubuntu", noSsh: true }))
          .pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { _tag: "DeploymentError", outcome: "none" })
      }
      assert.strictEqual(posts(server), 0)
    }))

  it.live("sends nothing where it cannot see what was there before", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 503))
      const error = yield* deploy.pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.deepInclude(error, { _tag: "ApiError", outcome: "none" })
      assert.strictEqual(posts(server), 0)
    }))

  it.live("refuses a bad config and bad options before anything is sent", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, started))
      const bad: ReadonlyArray<readonly [DeploymentConfig, DeployOptions]> = [
        [{ ...config, image: "Bad" }, {}],
        [config, { resubmitAfter: "15 minutes" }],
        [config, { timeout: "soon" as "1 second" }]
      ]
      for (const [badConfig, options] of bad) {
        const error = yield* Deployments.use((deployments) => deployments.deploy(badConfig, options)).pipe(
          against({ baseUrl: server.url }),
          Effect.flip
        )
        assert.strictEqual(error._tag, "ConfigurationError")
      }
      assert.lengthOf(server.received, 0)
    }))

  it.live("warns, by name alone, of values that the service's shell would split", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(service((response) => json(response, 200, started)))
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
        const code = "BASILICA_API_BAD_REQUEST"
        const server = yield* scriptedServer(
          service((response) => envelope(response, status, code, "Bad request: no"), [rentalItem("Active")])
        )
        const error = yield* deploy.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { _tag: "DeploymentError", status, outcome: "none", code })
        assert.match(error.message, /Bad request: no/)
        assert.lengthOf(server.received, 2)
      }))
  }

  const never = () => {}
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
    "a reply that never comes": never
  }
  /** What is not the deployment: there before, or with another image, or on another machine. */
  const before = rentalItem("Active", { rental_id: "rental-before" })
  const others = [
    before,
    rentalItem("Active", { rental_id: "rental-other-image", container_image: "debian" }),
    rentalItem("Active", { rental_id: "rental-other-machine", executor_id: "other" })
  ]
  for (const [what, answer] of Object.entries(lost)) {
    it.live(
      `sends once after ${what}: finds the one deployment, and knows where there are several or none`,
      () =>
        Effect.gen(function*() {
          const short = { deployTimeout: answer === never ? "1800 millis" : "270 millis" } as const
          const one = yield* scriptedServer(service(answer, [...others, rentalItem("Active")], [before]))
          const found = yield* deploy.pipe(against({ baseUrl: one.url, ...short }))
          assert.deepInclude(found, { id: rentalId, reconciled: true, image: "ubuntu:24.04", executorId: "2f0c6a3e" })
          assert.strictEqual(found.ssh?.port, 32776)
          assert.strictEqual(posts(one), 1)

          const second = rentalItem("Active", { rental_id: "rental-2" })
          const several = yield* scriptedServer(service(answer, [...others, rentalItem("Active"), second], [before]))
          const unsure = yield* deploy.pipe(against({ baseUrl: several.url, ...short }), Effect.flip)
          assert.deepInclude(unsure, { _tag: "DeployOutcomeUnknown", candidates: [rentalId, "rental-2"] })
          assert.strictEqual(posts(several), 1)

          const none = yield* scriptedServer(service(answer, others, [before]))
          const unknown = yield* deploy.pipe(against({ baseUrl: none.url, ...short }), Effect.flip)
          assert.deepInclude(unknown, {
            _tag: "DeployOutcomeUnknown",
            executorId: "2f0c6a3e",
            image: "ubuntu:24.04",
            candidates: [],
            outcome: "unknown"
          })
          assert.match(unknown.message, /billed/)
          assert.strictEqual(posts(none), 1)
        }),
      20_000
    )
  }

  it.live("knows that nothing was done where it could not connect, was turned away, or was not let in", () =>
    Effect.gen(function*() {
      const refused = yield* deploy.pipe(against({ baseUrl: "http://127.0.0.1:1" }), Effect.flip)
      assert.deepInclude(refused, { _tag: "NetworkError", outcome: "none" })
      const statuses = { RateLimited: 429, AuthenticationError: 401, AuthorizationError: 403 }
      for (const [tag, status] of Object.entries(statuses)) {
        const server = yield* scriptedServer(service((response) => bare(response, status), [rentalItem("Active")]))
        const error = yield* deploy.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.strictEqual(error._tag, tag)
        assert.lengthOf(server.received, 2)
      }
    }))

  it.live("waits for its turn at a machine no longer than its deadline", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(service(() => {}))
      yield* Effect.gen(function*() {
        const deployments = yield* Deployments
        const first = yield* Effect.forkChild(deployments.deploy(config, { timeout: "2 seconds" }), {
          startImmediately: true
        })
        const [took, error] = yield* timed(Effect.flip(deployments.deploy(config, { timeout: "100 millis" })))
        assert.isBelow(took, 1000)
        assert.deepInclude(error, { _tag: "TimeoutError", outcome: "none", afterMillis: 100 })
        assert.strictEqual(posts(server), 1)
        yield* Fiber.await(first)
      }).pipe(against({ baseUrl: server.url }))
    }))

  it.live("does not cut the request at its deadline, and tells when its reply comes", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<ServerResponse>()
      const logs: Array<string> = []
      const server = yield* scriptedServer(service((response) => Deferred.doneUnsafe(arrived, Exit.succeed(response))))
      yield* Effect.gen(function*() {
        const deployments = yield* Deployments
        const error = yield* Effect.flip(deployments.deploy(config, { timeout: "90 millis" }))
        assert.strictEqual(error._tag, "DeployOutcomeUnknown")
        const response = yield* Deferred.await(arrived)
        assert.isFalse(response.destroyed)
        json(response, 200, started)
        while (!logs.some((line) => line.includes(rentalId))) yield* Effect.sleep("5 millis")
        assert.strictEqual(deletes(server), 0)
      }).pipe(against({ baseUrl: server.url }, logs))
    }))

  it.live("stops what comes after the deadline of a deploy that nobody waits for", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<ServerResponse>()
      const server = yield* scriptedServer(service((response) => Deferred.doneUnsafe(arrived, Exit.succeed(response))))
      yield* Effect.gen(function*() {
        const deployments = yield* Deployments
        const fiber = yield* Effect.forkChild(deployments.deploy(config, { timeout: "90 millis" }))
        const response = yield* Deferred.await(arrived)
        yield* Fiber.interrupt(fiber)
        yield* Effect.sleep("150 millis")
        json(response, 200, started)
        while (deletes(server) === 0) yield* Effect.sleep("5 millis")
      }).pipe(against({ baseUrl: server.url }))
    }))

  it.live("takes the id of a reply whose details cannot be understood", () =>
    Effect.gen(function*() {
      const odd = [
        { ...started, container_info: "x" },
        { ...started, ssh_credentials: { user: "root" } },
        { ...started, container_info: { mapped_ports: [{ container_port: null }], labels: { a: 1 }, status: 7 } },
        { rental_id: rentalId }
      ]
      const server = yield* scriptedServer(service((response) => json(response, 200, odd.shift())))
      while (odd.length > 0) {
        const deployment = yield* deploy.pipe(against({ baseUrl: server.url }))
        assert.strictEqual(deployment.id, rentalId)
      }
    }))

  it.live("is not sure that nothing was done where a connection that stood lost its route", () =>
    Effect.gen(function*() {
      const lose = (syscall: string) => {
        const http = HttpClient.make((request) => {
          if (request.method === "GET") {
            return Effect.succeed(
              HttpClientResponse.fromWeb(request, Response.json({ rentals: [rentalItem("Active")], total_count: 1 }))
            )
          }
          const cause = Object.assign(new Error("lost"), { code: "EHOSTUNREACH", syscall })
          return Effect.fail(
            new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
          )
        })
        const options = { baseUrl: "https://x.test", token: "t", deployTimeout: "50 millis" } as const
        return deploy.pipe(
          Effect.provide(Layer.provide(Basilica.layerHttpClient(options), Layer.succeed(HttpClient.HttpClient, http))),
          Effect.flip
        )
      }
      assert.strictEqual((yield* lose("read"))._tag, "DeployOutcomeUnknown")
      assert.deepInclude(yield* lose("connect"), { _tag: "NetworkError", outcome: "none" })
    }))

  it.live("deploys on one machine one at a time", () =>
    Effect.gen(function*() {
      let open = 0
      let most = 0
      const server = yield* scriptedServer(service((response) => {
        most = Math.max(most, ++open)
        setImmediate(() => {
          open--
          json(response, 200, started)
        })
      }))
      yield* Effect.all(Array.from({ length: 5 }, () => deploy), { concurrency: "unbounded" }).pipe(
        against({ baseUrl: server.url })
      )
      assert.deepStrictEqual([posts(server), most], [5, 1])
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
      assert.isAtLeast(server.connections(), 1)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      json(response, 200, started)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(server.received.map(({ method, url }) => `${method} ${url}`), [
        "GET /rentals",
        "POST /rentals",
        `DELETE /rentals/${rentalId}`
      ])
    }))
})

describe("Deployments.deploy with resubmitAfter", () => {
  /** A service on virtual time: the first reply is lost; what is listed is up to the test. */
  const client = (posted: Array<number>, listed: () => ReadonlyArray<unknown>) => {
    const http = HttpClient.make((request) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const reply = (body: unknown) => HttpClientResponse.fromWeb(request, Response.json(body))
        if (request.method === "GET") {
          if (!request.url.endsWith("/rentals")) return reply(rental("active"))
          return yield* Effect.match(Effect.try({ try: listed, catch: () => "unreadable" }), {
            onSuccess: (rentals) => reply({ rentals, total_count: 0 }),
            onFailure: () => reply("unreadable")
          })
        }
        posted.push(now)
        return posted.length === 1
          ? HttpClientResponse.fromWeb(request, new Response("", { status: 502 }))
          : reply(started)
      })
    )
    return Layer.provide(
      Basilica.layerHttpClient({ baseUrl: "https://x.test", token: "t" }),
      Layer.succeed(HttpClient.HttpClient, http)
    )
  }
  const resubmitting = Deployments.use((deployments) => deployments.deploy(config, { resubmitAfter: "20 minutes" }))
  const passing = (minutes: number) =>
    Effect.repeat(
      Effect.andThen(
        Effect.promise(() => new Promise((resolve) => setImmediate(resolve))),
        TestClock.adjust("15 seconds")
      ),
      { times: minutes * 4 }
    )

  it.effect("sends a second time where nothing is to be seen, and not before", () =>
    Effect.gen(function*() {
      const posted: Array<number> = []
      const fiber = yield* Effect.forkChild(Effect.provide(resubmitting, client(posted, () => [])))
      yield* passing(19)
      assert.lengthOf(posted, 1)
      yield* passing(6)
      const deployment = yield* Fiber.join(fiber)
      assert.strictEqual(deployment.id, rentalId)
      assert.lengthOf(posted, 2)
      assert.isAtLeast((posted[1] ?? 0) - (posted[0] ?? 0), 20 * 60_000)
    }))

  for (const readable of [1, 15]) {
    it.effect(`does not send a second time where it could not see that there is nothing after ${readable} looks`, () =>
      Effect.gen(function*() {
        const posted: Array<number> = []
        let lists = 0
        const listed = () => {
          if (++lists > readable) throw new Error("a list that cannot be read")
          return []
        }
        const fiber = yield* Effect.forkChild(Effect.flip(Effect.provide(resubmitting, client(posted, listed))))
        yield* passing(30)
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeployOutcomeUnknown")
        assert.lengthOf(posted, 1)
      }))
  }

  it.effect("does not send a second time where the first turns up late", () =>
    Effect.gen(function*() {
      const posted: Array<number> = []
      let listed: ReadonlyArray<unknown> = []
      const fiber = yield* Effect.forkChild(Effect.provide(resubmitting, client(posted, () => listed)))
      yield* passing(10)
      listed = [rentalItem("Active")]
      yield* passing(2)
      assert.deepInclude(yield* Fiber.join(fiber), { id: rentalId, reconciled: true })
      assert.lengthOf(posted, 1)
    }))
})

describe("Deployments.reconcile", () => {
  const intent = {
    key: "k1",
    executorId: "2f0c6a3e",
    image: "ubuntu:24.04",
    before: ["rental-before"],
    sentAt: "2020-01-01T00:00:00.000Z"
  }
  /** A journal that keeps its intents in a map, as a file would. */
  const journal = (kept: Map<string, DeployIntent>) =>
    Layer.succeed(
      DeployJournal,
      DeployJournal.of({
        put: (one) => Effect.sync(() => void kept.set(one.key, one)),
        remove: (key) => Effect.sync(() => void kept.delete(key)),
        open: Effect.sync(() => [...kept.values()])
      })
    )
  const withJournal =
    (url: string, kept: Map<string, DeployIntent>, token = "t") =>
    <A, E>(effect: Effect.Effect<A, E, Basilica.Services>) =>
      onItsTime(Effect.provide(
        effect,
        Layer.provide(basilica({ baseUrl: url, token, deployTimeout: "270 millis" }), journal(kept))
      ))
  const reconcile = (options?: ReconcileOptions) => Deployments.use((deployments) => deployments.reconcile(options))
  const before = rentalItem("Active", { rental_id: "rental-before" })

  it.live("needs a journal, and says so", () =>
    Effect.gen(function*() {
      const error = yield* reconcile().pipe(against({ baseUrl: "http://127.0.0.1:1" }), Effect.flip)
      assert.match(error.message, /journal is missing; allowed: the option journalFile/)
    }))

  it.live("leaves alone what was begun at another service or by another account, which this one does not see", () =>
    Effect.gen(function*() {
      const token = (sub: string) => `x.${Buffer.from(JSON.stringify({ sub })).toString("base64url")}.x`
      const key = (id: string) => `basilica_${id.repeat(21)}${"s".repeat(43)}`
      const server = yield* scriptedServer((response, { method, url }) => {
        if (method === "POST") return json(response, 200, started)
        if (method === "DELETE") return bare(response, 404)
        if (url !== "/rentals") return json(response, 200, rental("active"))
        return json(response, 200, { rentals: [before], total_count: 1 })
      })
      const kept = new Map<string, DeployIntent>()
      const as = (given: string) => withJournal(server.url, kept, given)
      const begin = Deployments.use((deployments) =>
        deployments.scoped({ executorId: intent.executorId, image: intent.image, noSsh: true })
      )
      const cases = [[token("me"), "me"], [key("k"), "k".repeat(21)], ["says-neither", undefined]] as const
      for (const [given, account] of cases) {
        // What the journal has while the scope holds it is what a program leaves that is killed.
        const written = yield* Effect.scoped(Effect.map(begin, () => [...kept.values()][0])).pipe(as(given))
        assert.isDefined(written)
        assert.deepInclude(written, { service: server.url, id: rentalId })
        assert.strictEqual(written.account, account)
        assert.notInclude(JSON.stringify(written), "sss")
        const { id: _, ...lost } = written
        for (const left of [written, lost as DeployIntent]) {
          kept.set(lost.key, left)
          const asked = server.received.length
          for (const other of [token("you"), key("o"), ...(account === undefined ? [] : ["says-neither"])]) {
            const [unresolved] = yield* reconcile().pipe(as(other))
            assert.deepInclude(unresolved, { _tag: "Unresolved", intent: left })
            assert.match(
              JSON.stringify(unresolved),
              /with another token, whose account may be another: reconcile with that one/
            )
          }
          const elsewhere = { ...left, service: "https://elsewhere.example" }
          kept.set(lost.key, elsewhere)
          const [unresolved] = yield* reconcile().pipe(as(given))
          assert.deepInclude(unresolved, {
            _tag: "Unresolved",
            intent: elsewhere,
            candidates: left.id ? [left.id] : []
          })
          assert.match(JSON.stringify(unresolved), /begun at https:\/\/elsewhere\.example, and this client asks http:/)
          assert.strictEqual(server.received.length, asked)
          assert.deepStrictEqual([...kept.values()], [elsewhere])
        }
        kept.set(lost.key, written)
        const renewed = given.replace(/^x/, "renewed").replace(/s+$/, "r".repeat(43))
        assert.deepStrictEqual((yield* reconcile().pipe(as(renewed))).map(({ _tag }) => _tag), ["Stopped"])
        assert.strictEqual(kept.size, 0)
      }
    }))

  it.live("does nothing where there is no token", () =>
    Effect.gen(function*() {
      const kept = new Map([["k1", intent]])
      const [unresolved] = yield* reconcile().pipe(
        Effect.provide(Layer.provide(Basilica.layer({ baseUrl: "http://127.0.0.1:1" }), journal(kept)))
      )
      assert.deepInclude(unresolved, { _tag: "Unresolved", candidates: [] })
      assert.match(JSON.stringify(unresolved), /there is no token/)
      assert.strictEqual(kept.size, 1)
    }))

  it.live("stops what came of a deploy that was cut off, or hands it over", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method, url }) => {
        if (method === "DELETE") return bare(response, 204)
        if (url !== "/rentals") return json(response, 200, rental("active"))
        return json(response, 200, { rentals: [before, rentalItem("Active")], total_count: 2 })
      })
      const kept = new Map([["k1", intent]])
      const stopped = yield* reconcile().pipe(withJournal(server.url, kept))
      assert.deepStrictEqual(stopped, [{ _tag: "Stopped", intent, id: rentalId }])
      assert.strictEqual(deletes(server), 1)
      assert.strictEqual(kept.size, 0)

      kept.set("k1", intent)
      const [adopted] = yield* reconcile({ found: "adopt" }).pipe(withJournal(server.url, kept))
      assert.strictEqual(adopted?._tag === "Adopted" ? adopted.deployment.id : adopted?._tag, rentalId)
      assert.strictEqual(deletes(server), 1)
      assert.strictEqual(kept.size, 0)
    }))

  it.live("does not take a later deploy for one whose outcome is open", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method, url }) => {
        if (method === "POST") return json(response, 200, started)
        if (method === "DELETE") return bare(response, 204)
        if (url !== "/rentals") return json(response, 200, rental("active"))
        const posted = server.received.some((request) => request.method === "POST")
        const rentals = posted ? [before, rentalItem("Active")] : [before]
        return json(response, 200, { rentals, total_count: rentals.length })
      })
      const kept = new Map([["k1", intent]])
      yield* Effect.gen(function*() {
        const deployments = yield* Deployments
        yield* deployments.deploy({ executorId: intent.executorId, image: intent.image, noSsh: true })
        yield* deployments.reconcile({ timeout: 0 })
      }).pipe(withJournal(server.url, kept))
      assert.strictEqual(deletes(server), 0)
    }))

  it.live("stops what a scope held, and takes what is gone as stopped", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method }) =>
        method === "DELETE" ? bare(response, 404) : json(response, 200, { rentals: [], total_count: 0 })
      )
      const kept = new Map([["k1", { ...intent, id: rentalId }]])
      const [one] = yield* reconcile({ found: "adopt" }).pipe(withJournal(server.url, kept))
      assert.strictEqual(one?._tag, "Stopped")
      assert.strictEqual(deletes(server), 1)
      assert.strictEqual(kept.size, 0)
    }))

  it.live("keeps what is not certain", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method, url }) => {
        if (method === "DELETE") return bare(response, 403)
        const rentals = url === "/rentals"
          ? [rentalItem("Active"), rentalItem("Active", { rental_id: "rental-2" })]
          : []
        return json(response, 200, { rentals, total_count: 2 })
      })
      const kept = new Map<string, DeployIntent>([
        ["k1", intent],
        ["k2", { ...intent, key: "k2", id: rentalId }],
        ["k3", { ...intent, key: "k3", executorId: "other", sentAt: new Date().toISOString() }]
      ])
      const report = yield* reconcile({ timeout: 0 }).pipe(withJournal(server.url, kept))
      assert.deepStrictEqual(report.map(({ _tag }) => _tag), ["Unresolved", "Unresolved", "Unresolved"])
      assert.strictEqual(kept.size, 3)
      // The one whose id is known; of two that may be the one, none.
      assert.strictEqual(deletes(server), 1)
    }))

  it.live("keeps what it could not look for, or could not read", () =>
    Effect.gen(function*() {
      const down = yield* scriptedServer((response) => bare(response, 503))
      const odd = yield* scriptedServer((response) => json(response, 200, { rentals: [{ rental_id: "rental-odd" }] }))
      const nameless = yield* scriptedServer((response) => json(response, 200, { rentals: [{ state: "Active" }] }))
      for (const { url } of [down, odd, nameless]) {
        const kept = new Map([["k1", intent]])
        const [one] = yield* reconcile().pipe(withJournal(url, kept))
        assert.strictEqual(one?._tag, "Unresolved")
        assert.strictEqual(kept.size, 1)
      }
    }))

  it.live("stops what a scope was to hold, also where adopting is asked for", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method }) =>
        method === "DELETE"
          ? bare(response, 204)
          : json(response, 200, { rentals: [rentalItem("Active")], total_count: 1 })
      )
      const kept = new Map([["k1", { ...intent, held: true }]])
      const [one] = yield* reconcile({ found: "adopt" }).pipe(withJournal(server.url, kept))
      assert.strictEqual(one?._tag, "Stopped")
      assert.strictEqual(deletes(server), 1)
    }))

  it.live("drops what nothing came of, once the service is done with it", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, { rentals: [before], total_count: 1 }))
      const kept = new Map([["k1", intent]])
      const report = yield* reconcile().pipe(withJournal(server.url, kept))
      assert.deepStrictEqual(report, [{ _tag: "NotCreated", intent }])
      assert.strictEqual(kept.size, 0)
    }))

  it.live("keeps the intent of an interrupted deploy until what came of it is stopped", () =>
    Effect.gen(function*() {
      const kept = new Map<string, DeployIntent>()
      const arrived = yield* Deferred.make<ServerResponse>()
      const seen: Array<DeployIntent | undefined> = []
      const good = service((response) => Deferred.doneUnsafe(arrived, Exit.succeed(response)))
      const server = yield* scriptedServer((response, request, count) => {
        if (request.method === "DELETE") seen.push(...kept.values())
        good(response, request, count)
      })
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(deploy)
        const response = yield* Deferred.await(arrived)
        yield* Fiber.interrupt(fiber)
        json(response, 200, started)
      }).pipe(Effect.provide(Layer.provide(basilica({ baseUrl: server.url }), journal(kept))))
      assert.deepStrictEqual(seen.map((one) => one?.id), [rentalId])
      assert.strictEqual(kept.size, 0)
    }))

  it.live("finds an intent before the request is sent, one with an id while a scope holds it, and none after", () =>
    Effect.gen(function*() {
      const kept = new Map<string, DeployIntent>()
      const seen: Array<DeployIntent | undefined> = []
      const server = yield* scriptedServer(service((response) => {
        seen.push(...kept.values())
        json(response, 200, started)
      }))
      const keeping = withJournal(server.url, kept)
      yield* deploy.pipe(keeping)
      assert.strictEqual(kept.size, 0)
      yield* Effect.scoped(
        Effect.andThen(
          Deployments.use((deployments) => deployments.scoped(config)),
          Effect.sync(() => seen.push(...kept.values()))
        )
      ).pipe(keeping)
      assert.deepStrictEqual(seen.map((one) => [one?.executorId, one?.id]), [
        ["2f0c6a3e", undefined],
        ["2f0c6a3e", undefined],
        ["2f0c6a3e", rentalId]
      ])
      assert.strictEqual(kept.size, 0)
      assert.notInclude(JSON.stringify(seen), "canary")
    }))

  it.live("keeps the intent of an unknown outcome, and leaves alone what is under way", () =>
    Effect.gen(function*() {
      const kept = new Map<string, DeployIntent>()
      const server = yield* scriptedServer(service((response) => bare(response, 502)))
      const error = yield* Effect.flip(deploy).pipe(withJournal(server.url, kept))
      assert.strictEqual(error._tag, "DeployOutcomeUnknown")
      assert.strictEqual(kept.size, 1)

      const working = new Map<string, DeployIntent>()
      const good = yield* scriptedServer(service((response) => json(response, 200, started)))
      const report = yield* Effect.scoped(
        Effect.andThen(Deployments.use((deployments) => deployments.scoped(config)), reconcile())
      ).pipe(withJournal(good.url, working))
      assert.deepStrictEqual(report, [])
      assert.strictEqual(deletes(good), 1)
    }))

  it.live("sends nothing where the intent cannot be written", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(service((response) => json(response, 200, started)))
      const full = new ConfigurationError({ operation: "x", problems: [{ field: "journal", problem: "is full" }] })
      const broken = Layer.succeed(
        DeployJournal,
        DeployJournal.of({ put: () => Effect.fail(full), remove: () => Effect.fail(full), open: Effect.fail(full) })
      )
      const error = yield* Effect.flip(deploy).pipe(
        Effect.provide(Layer.provide(basilica({ baseUrl: server.url }), broken))
      )
      assert.strictEqual(error, full)
      assert.strictEqual(posts(server), 0)
    }))
})

describe("Deployments.stop", () => {
  /** What a proxy says that does not know the path. */
  const absent = (response: ServerResponse) => envelope(response, 404, "BASILICA_API_NOT_FOUND", "Rental not found")
  const page = (response: ServerResponse, html = "<html><title>404 Not Found</title></html>") => {
    response.writeHead(404, { "content-type": "text/html" })
    response.end(html)
  }
  const table: ReadonlyArray<readonly [string, Answer, string | undefined, number]> = [
    ["a 204", (response) => bare(response, 204), undefined, 1],
    [
      "a 202 while it runs",
      (response, { method }) =>
        method === "DELETE"
          ? bare(response, 202)
          : json(response, 200, { rentals: [rentalItem("Active")], total_count: 1 }),
      "StopUnconfirmed",
      1
    ],
    [
      "a 200 with another's JSON while it runs",
      (response, { method }) => json(response, 200, method === "DELETE" ? { login: "please" } : rental("active")),
      "StopUnconfirmed",
      1
    ],
    ["a 404 at once", (response) => bare(response, 404), "NotFound", 1],
    ["a 404 with a code and words", (response) => absent(response), "NotFound", 1],
    [
      "a page that says 404, and a list that has it",
      (response, { method }) =>
        method === "DELETE"
          ? page(response)
          : json(response, 200, { rentals: [rentalItem("Active")], total_count: 1 }),
      "StopUnconfirmed",
      1
    ],
    [
      "a page that says 404, and a list without it",
      (response, { method }) =>
        method === "DELETE" ? page(response) : json(response, 200, { rentals: [], total_count: 0 }),
      "NotFound",
      1
    ],
    ["a page that says 404 to everything", (response) => page(response), "StopUnconfirmed", 1],
    [
      "a page without words",
      (response) => page(response, "<html><title></title><img src=x></html>"),
      "StopUnconfirmed",
      1
    ],
    [
      "a lost reply, then a 401",
      (response, _, count) => count === 1 ? response.socket?.destroy() : bare(response, 401),
      "StopUnconfirmed",
      2
    ],
    ["a 401", (response) => bare(response, 401), "AuthenticationError", 1],
    ["a 403", (response) => bare(response, 403), "AuthorizationError", 1],
    ["a 500 and then a 204", (response, _, count) => bare(response, count === 1 ? 500 : 204), undefined, 2],
    [
      "a lost reply, then a 404, and a list without it",
      (response, { method }, count) => {
        if (method === "GET") return json(response, 200, { rentals: [], total_count: 0 })
        return count === 1 ? response.socket?.destroy() : bare(response, 404)
      },
      undefined,
      2
    ],
    [
      "a 502, then a stranger's 404, and a list that has it",
      (response, { method }, count) => {
        if (method === "GET") return json(response, 200, { rentals: [rentalItem("Active")], total_count: 1 })
        return bare(response, count === 1 ? 502 : 404)
      },
      "StopUnconfirmed",
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
      (response, { method }) =>
        method === "DELETE" ? bare(response, 500) : json(response, 200, { rentals: [], total_count: 0 }),
      undefined,
      3
    ],
    [
      "500 for good while it has ended",
      (response, { method, url }) => {
        if (method === "DELETE") return bare(response, 500)
        if (url !== "/rentals") return json(response, 200, rental("terminated"))
        return json(response, 200, { rentals: [rentalItem("Stopped")], total_count: 1 })
      },
      undefined,
      3
    ],
    [
      "500 for good, and a list that says Stopped of a machine that cannot be reached",
      (response, { method, url }) =>
        method === "DELETE" || url !== "/rentals"
          ? bare(response, 500)
          : json(response, 200, { rentals: [rentalItem("Stopped")], total_count: 1 }),
      "StopUnconfirmed",
      3
    ],
    [
      "500 for good, and a list that names it twice",
      (response, { method, url }) => {
        if (method === "DELETE") return bare(response, 500)
        if (url !== "/rentals") return json(response, 200, rental("terminated"))
        return json(response, 200, { rentals: [rentalItem("Stopped"), rentalItem("Active")], total_count: 2 })
      },
      "StopUnconfirmed",
      3
    ],
    [
      "500 for good, and a list that has less than it says",
      (response, { method }) =>
        method === "DELETE" ? bare(response, 500) : json(response, 200, { rentals: [], total_count: 3 }),
      "StopUnconfirmed",
      3
    ],
    ...[200, 201, 203, 226].map((status) =>
      [
        `${status} without a word while it runs`,
        (response: ServerResponse, { method }: { readonly method: string }) =>
          method === "DELETE"
            ? bare(response, status)
            : json(response, 200, { rentals: [rentalItem("Active")], total_count: 1 }),
        "StopUnconfirmed",
        1
      ] as const
    ),
    [
      "500 for good, and asking for it says terminated while the list says that it is stopping",
      (response, { method, url }) => {
        if (method === "DELETE") return bare(response, 500)
        if (url !== "/rentals") return json(response, 200, rental("terminated"))
        return json(response, 200, { rentals: [rentalItem("Stopping")], total_count: 1 })
      },
      "StopUnconfirmed",
      3
    ],
    [
      "500 for good, and a list that cannot be read to its last item",
      (response, { method }) =>
        method === "DELETE" ? bare(response, 500) : json(response, 200, { rentals: [null], total_count: 1 }),
      "StopUnconfirmed",
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

  it.live("says what runs on where it was not allowed", () =>
    Effect.gen(function*() {
      for (const status of [401, 403]) {
        const server = yield* scriptedServer((response) => bare(response, status))
        const error = yield* stop.pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { id: rentalId })
        assert.include(
          error.message,
          `Deployment ${rentalId} may be running and billed.`
        )
      }
    }))

  it.live("says what stood in its way where there was no time to try again", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 503, { "retry-after": "30" }))
      const { message } = yield* stop.pipe(against({ baseUrl: server.url, timeout: "1 second" }), Effect.flip)
      assert.match(
        message,
        /has stopped: the service answered 503; there was no time to try again after 0\.67 s\. It may/
      )
    }))

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
      const ends = [["terminated", /it stopped before it was seen running/], [
        "failed",
        /it failed before it ran/
      ]] as const
      for (const [status, words] of ends) {
        const server = yield* scriptedServer((response) => json(response, 200, rental(status)))
        const error = yield* wait().pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.deepInclude(error, { _tag: "DeploymentError", id: rentalId })
        assert.match(error.message, words)
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

  it.live("does not wait for what is not there, whether the service says so with words or without", () =>
    Effect.gen(function*() {
      const answers = [
        (response: ServerResponse) => bare(response, 404),
        (response: ServerResponse) => envelope(response, 404, "BASILICA_API_NOT_FOUND", "Rental not found")
      ]
      for (const answer of answers) {
        const server = yield* scriptedServer(answer)
        const error = yield* wait().pipe(against({ baseUrl: server.url }), Effect.flip)
        assert.strictEqual(error._tag, "NotFound")
        assert.lengthOf(server.received, 1)
      }
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
        if (url === "/rentals" && answers.length === 0) return json(response, 200, { rentals: [], total_count: 0 })
        if (url === "/rentals") return bare(response, 503)
        const state = answers.shift()
        if (state === "gone") return bare(response, 404)
        return state === "active" ? json(response, 200, rental("active")) : bare(response, 503)
      })
      const seen = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(seen.map(({ _tag }) => _tag), ["Running", "Stopped"])
    }))

  it.live("takes no 404 for a stop while the deployment is listed, nor where the list is not whole or cannot be read", () =>
    Effect.gen(function*() {
      const unread = { rentals: [{ rental_id: rentalId, state: 7 }], total_count: 1 }
      const part = { rentals: [], total_count: 1 }
      const lists = [{ rentals: [rentalItem("Active")], total_count: 1 }, unread, part, 503 as const, 404 as const]
      for (const list of lists) {
        const states = ["active", "gone", "terminated"]
        const server = yield* scriptedServer((response, { url }) => {
          if (url === "/rentals") {
            if (list !== 404) return list === 503 ? bare(response, list) : json(response, 200, list)
            response.writeHead(404, { "content-type": "text/html" })
            return response.end("<html><title>404 page not found</title></html>")
          }
          const state = states.shift() ?? "terminated"
          return state === "gone" ? bare(response, 404) : json(response, 200, rental(state))
        })
        const seen = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }))
        assert.deepStrictEqual(seen.map(({ raw }) => raw), ["active", "terminated"])
      }
    }))

  it.live("takes the page of a proxy for a passing failure, also at first, as do the other calls about a deployment", () =>
    Effect.gen(function*() {
      const ask: ReadonlyArray<(deployments: Deployments["Service"]) => Effect.Effect<unknown, unknown>> = [
        (deployments) => deployments.get(rentalId),
        (deployments) => deployments.status(rentalId),
        (deployments) => deployments.waitUntilRunning(rentalId, { interval: 1 }),
        (deployments) => Stream.runHead(deployments.watch(rentalId, { interval: 1 })),
        (deployments) => Stream.runDrain(deployments.logs(rentalId))
      ]
      for (const one of ask) {
        const server = yield* scriptedServer((response, { url }, count) => {
          if (count === 1) {
            response.writeHead(404, { "content-type": "text/html" })
            return response.end("<html><title>404 page not found</title></html>")
          }
          if (!url.includes("/logs")) return json(response, 200, rental("active"))
          response.writeHead(200, { "content-type": "text/event-stream" })
          return response.end()
        })
        yield* Deployments.use(one).pipe(against({ baseUrl: server.url }))
        const always = yield* scriptedServer((response) => {
          response.writeHead(404, { "content-type": "text/html" })
          response.end("<html><title>404 page not found</title></html>")
        })
        if (one === ask[2]) continue
        const error = yield* Deployments.use(one).pipe(against({ baseUrl: always.url }), Effect.flip)
        assert.deepInclude(error, { _tag: "ApiError", status: 404, reason: "404 page not found", retryable: true })
        assert.isAbove(always.received.length, 2)
      }
    }))

  it.live("fails where there never was one", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 404))
      const error = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.strictEqual(error._tag, "NotFound")
    }))

  it.live("gives a state that it does not know once, and another such state", () =>
    Effect.gen(function*() {
      const states = ["dreaming", "dreaming", "flying", "terminated"]
      const server = yield* scriptedServer((response) => json(response, 200, rental(states.shift() ?? "terminated")))
      const seen = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(seen.map(({ raw }) => raw), ["dreaming", "flying", "terminated"])
    }))

  it.live("gives up after the eleventh", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => bare(response, 503))
      const error = yield* Stream.runCollect(watch).pipe(against({ baseUrl: server.url }), Effect.flip)
      assert.deepInclude(error, { _tag: "ApiError", status: 503 })
    }))
})

describe("Deployments.logs", () => {
  it.live("does not follow where that is left undefined", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.end()
      })
      yield* Stream.runDrain(
        Stream.unwrap(Deployments.useSync((deployments) => deployments.logs(rentalId, { follow: undefined })))
      ).pipe(against({ baseUrl: server.url }))
      assert.include(server.received[0]?.url, "follow=false")
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

  it.live("is stopped by its layer where the scope lives longer", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(service((response) => json(response, 200, started)))
      const held = yield* Scope.make()
      yield* Deployments.use((deployments) => Scope.provide(deployments.scoped(config), held)).pipe(
        against({ baseUrl: server.url })
      )
      assert.strictEqual(deletes(server), 1)
      yield* Scope.close(held, Exit.void)
      assert.strictEqual(deletes(server), 1)
    }))

  it.live("tries to stop each that is held, also where one stop is not certain", () =>
    Effect.gen(function*() {
      let count = 0
      const created: Array<string> = []
      const server = yield* scriptedServer((response, { method }) => {
        if (method === "POST") {
          created.push(`rental-${created.length}`)
          return json(response, 200, { rental_id: created.at(-1) })
        }
        if (method === "DELETE") return bare(response, ++count === 1 ? 403 : 204)
        return json(response, 200, { rentals: [], total_count: 0 })
      })
      const hold = (index: number) =>
        Deployments.use((deployments) => deployments.scoped({ ...config, executorId: `e${index}` }))
      const exit = yield* Effect.forEach(Array.from({ length: 12 }, (_, index) => index), hold).pipe(
        Effect.asVoid,
        (holding) =>
          Effect.scopedWith((scope) =>
            Scope.provide(Effect.provide(holding, basilica({ baseUrl: server.url })), scope)
          ),
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(
        new Set(server.received.filter(({ method }) => method === "DELETE").map(({ url }) => url)).size,
        12
      )
    }))

  it.live("takes no stranger's 404 for a stop", () =>
    Effect.gen(function*() {
      const good = service((response) => json(response, 200, started), [rentalItem("Active")])
      const server = yield* scriptedServer((response, request, count) => {
        if (request.method !== "DELETE") return good(response, request, count)
        return count < 5 ? bare(response, 404) : bare(response, 204)
      })
      yield* use(Effect.void).pipe(against({ baseUrl: server.url }))
      assert.isAbove(deletes(server), 1)
    }))

  it.live("does not mind that somebody else stopped it", () =>
    Effect.gen(function*() {
      const good = service((response) => json(response, 200, started))
      const server = yield* scriptedServer((response, request, count) =>
        request.method === "DELETE" ? bare(response, 404) : good(response, request, count)
      )
      yield* use(Effect.void).pipe(against({ baseUrl: server.url }))
    }))

  it.live("ends with a defect and a log where the stop is not certain", () =>
    Effect.gen(function*() {
      const good = service((response) => json(response, 200, started))
      const server = yield* scriptedServer((response, request, count) =>
        request.method === "DELETE" ? bare(response, 403) : good(response, request, count)
      )
      const logs: Array<string> = []
      const exit = yield* Effect.exit(use(Effect.void).pipe(against({ baseUrl: server.url, retry: atOnce }, logs)))
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.deepInclude(error, { _tag: "StopUnconfirmed", id: rentalId })
      assert.isTrue(logs.some((line) => line.includes("Deployments.stop") && line.includes(rentalId)))
    }))
})
