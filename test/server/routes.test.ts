import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { ContainerFailure } from "../../src/server/ContainerRuntime.ts"
import { defaultExecutors } from "../../src/server/ExecutorCatalog.ts"
import { gpu, inMemory, line, machine, onExecutor, rental, type Reply } from "./Harness.ts"

const failure = new ContainerFailure({ message: "the machine burns" })
const freeId = "f3b5d9c8-2a47-4e8d-9c36-4b8f7e1a6c06"
const bigId = "2f0c6a3e-7d51-4b0a-9c1e-0a6b5d1f4c01"

const assertEnvelope = (reply: Reply, status: number, code: string, message: string, retryable = false) => {
  assert.strictEqual(reply.status, status)
  assert.strictEqual(reply.type, "application/json")
  assert.deepStrictEqual(Object.keys(reply.json.error), ["code", "message", "timestamp", "retryable"])
  assert.strictEqual(reply.json.error.code, code)
  assert.strictEqual(reply.json.error.message, message)
  assert.strictEqual(reply.json.error.retryable, retryable)
  assert.match(reply.json.error.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
}

/** Keeps what is logged. */
const keeping = (lines: Array<string>) =>
  Logger.layer([Logger.make(({ message }) => {
    lines.push(String(message))
  })])

const assertEmpty = (reply: Reply, status: number) => {
  assert.strictEqual(reply.status, status)
  assert.strictEqual(reply.text, "")
}

const assertText = (reply: Reply, status: number, begin: string) => {
  assert.strictEqual(reply.status, status)
  assert.strictEqual(reply.type, "text/plain; charset=utf-8")
  assert.include(reply.text, begin)
}

describe("GET /health", () => {
  it.effect("says the five constants without asking for a token", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const reply = yield* call("GET", "/health", { token: null })
      assert.strictEqual(reply.status, 200)
      assert.deepStrictEqual(reply.json, {
        status: "healthy",
        version: "0.1.0",
        timestamp: "1970-01-01T00:00:00.000000000Z",
        healthy_validators: 1,
        total_validators: 1
      })
    }))
})

describe("who is let in", () => {
  const routes = [
    ["GET", "/executors"],
    ["GET", "/rentals"],
    ["POST", "/rentals"],
    ["GET", "/rentals/rental-1"],
    ["DELETE", "/rentals/rental-1"],
    ["GET", "/rentals/rental-1/logs"],
    ["GET", "/api-keys"],
    ["POST", "/api-keys"],
    ["DELETE", "/api-keys/ci"],
    ["GET", "/no-such-route"]
  ] as const

  for (const [method, path] of routes) {
    it.effect(`${method} ${path} asks for a token that is known`, () =>
      Effect.gen(function*() {
        const { call } = yield* inMemory(machine())
        const prefix = "Authentication error: "
        const code = "BASILICA_API_AUTH_ERROR"
        assertEnvelope(yield* call(method, path, { token: null }), 401, code, `${prefix}Missing Authorization header`)
        assertEnvelope(yield* call(method, path, { token: "no-token-of-here" }), 401, code, `${prefix}Invalid token`)
        const key = `basilica_${"A".repeat(64)}`
        assertEnvelope(yield* call(method, path, { token: key }), 401, code, `${prefix}Invalid API key`)
      }))
  }

  it.effect("takes the token without the word Bearer", () =>
    Effect.gen(function*() {
      const { call, tokens } = yield* inMemory(machine())
      const reply = yield* call("GET", "/rentals", { token: null, headers: { authorization: tokens[0] ?? "" } })
      assert.strictEqual(reply.status, 200)
    }))

  it.effect("answers a route that is not there with a bare 403, whatever the method", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      assertEmpty(yield* call("GET", "/nodes"), 403)
      assertEmpty(yield* call("PUT", "/rentals", { body: {} }), 403)
      assertEmpty(yield* call("GET", "/Rentals"), 403)
    }))

  it.effect("answers a key without the scope with a bare 403, and one with a wildcard for it well", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const key = yield* call("POST", "/api-keys", { body: { name: "ci", scopes: ["rentals:*"] } })
      assertEmpty(yield* call("GET", "/executors", { token: key.json.token }), 403)
      assert.strictEqual((yield* call("GET", "/rentals", { token: key.json.token })).status, 200)
    }))

  it.effect("shows nobody the rentals of another", () =>
    Effect.gen(function*() {
      const { call, tokens } = yield* inMemory(machine(), { tenants: 2 })
      const mine = yield* call("POST", "/rentals", { body: rental() })
      const other = { token: tokens[1] ?? "" }
      const path = `/rentals/${mine.json.rental_id}`
      assertEmpty(yield* call("GET", path, other), 404)
      assertEmpty(yield* call("GET", `${path}/logs`, other), 404)
      assertEmpty(yield* call("DELETE", path, other), 404)
      assert.deepStrictEqual((yield* call("GET", "/rentals", other)).json, { rentals: [], total_count: 0 })
      assert.strictEqual((yield* call("GET", path)).status, 200)
    }))
})

describe("GET /executors", () => {
  const list = (query: string) =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const { json } = yield* call("GET", `/executors?${query}`)
      assert.strictEqual(json.total_count, json.available_executors.length)
      return (json.available_executors as Array<{ executor: { id: string } }>).map(({ executor }) =>
        defaultExecutors.findIndex(({ id }) => id === executor.id)
      )
    })

  it.effect("writes a machine as the service does", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine(), { executors: defaultExecutors.slice(4) })
      const { json } = yield* call("GET", "/executors")
      assert.deepStrictEqual(json, {
        available_executors: [
          {
            executor: {
              id: "d6a2f8b4-5e13-4c9f-8b70-1c7d6a9e3f05",
              gpu_specs: [{ name: "NVIDIA GeForce RTX 4090", memory_gb: 0, compute_capability: "8.0" }],
              cpu_specs: { cores: 16, model: "AMD Ryzen 9 7950X", memory_gb: 128 },
              location: "Helsinki/Uusimaa/FI",
              network_speed: { download_mbps: 512.4, upload_mbps: 498.9, test_timestamp: "2025-09-19T10:00:00Z" }
            },
            availability: { available_until: null, verification_score: 0.98, uptime_percentage: 97.2 }
          },
          {
            executor: {
              id: freeId,
              gpu_specs: [],
              cpu_specs: { cores: 32, model: "AMD EPYC 7543P", memory_gb: 256 },
              location: null
            },
            availability: { available_until: null, verification_score: 0.98, uptime_percentage: 99.5 }
          }
        ],
        total_count: 2
      })
    }))

  it.effect("takes any part of a GPU's name in any case, and lets machines without GPUs pass", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* list("gpu_type=h100"), [0, 1, 5])
    }))

  it.effect("reads the memory from the name alone, so a B200 never has enough", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* list("min_gpu_memory=80"), [0, 1, 2, 5])
      assert.deepStrictEqual(yield* list("min_gpu_memory=81"), [5])
    }))

  it.effect("counts GPUs, which a machine without GPUs does not pass", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* list("min_gpu_count=2"), [0, 2, 3])
    }))

  it.effect("compares places without case, and knows countries by name", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* list("location_city=frankfurt"), [1])
      assert.deepStrictEqual(yield* list("location_region=QUEBEC"), [2])
      assert.deepStrictEqual(yield* list("location_country=Germany"), [1])
      assert.deepStrictEqual(yield* list("location_country=usa&min_gpu_count=8"), [0])
      assert.deepStrictEqual(yield* list("location_country=Unknown"), [])
      assert.deepStrictEqual(yield* list("available=false"), [0, 1, 2, 3, 4, 5])
    }))

  it.effect("breaks at a single quote in a place", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const reply = yield* call("GET", "/executors?location_city=L'Aquila")
      assert.strictEqual(reply.status, 500)
      assert.strictEqual(reply.json.error.code, "BASILICA_API_OTHER_ERROR")
    }))

  it.effect("answers a query that it cannot read with text and 400", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      for (
        const query of [
          "min_gpu_count=x",
          "min_gpu_count=-1",
          "min_gpu_memory=1.5",
          "available=TRUE",
          "min_gpu_count=4294967296"
        ]
      ) {
        assertText(yield* call("GET", `/executors?${query}`), 400, "Failed to deserialize query string: ")
      }
    }))
})

describe("POST /rentals", () => {
  it.effect("answers 200 with the container and its ports", () =>
    Effect.gen(function*() {
      const containers = machine()
      const { call } = yield* inMemory(containers)
      const ports = [{ container_port: 80, host_port: 8080 }]
      const { json, status } = yield* call("POST", "/rentals", { body: rental({ ports }) })
      assert.strictEqual(status, 200)
      assert.match(json.rental_id, /^rental-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.deepStrictEqual(json, {
        rental_id: json.rental_id,
        ssh_credentials: "root@84.200.81.243:32776",
        container_info: {
          container_id: "9c1d".repeat(16),
          container_name: `basilica-rental-${json.rental_id.slice(0, 32)}`,
          mapped_ports: [
            { container_port: 22, host_port: 32776, protocol: "tcp" },
            { container_port: 80, host_port: 8080, protocol: "tcp" }
          ],
          status: "running",
          labels: { "basilica.security.isolated": "true", "io.kubernetes.cri-o.userns-mode": "auto" }
        }
      })
    }))

  it.effect("has null credentials without SSH, where the answer about one leaves them out", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const { json } = yield* call("POST", "/rentals", { body: rental({ no_ssh: true }) })
      assert.isNull(json.ssh_credentials)
      assert.deepStrictEqual(json.container_info.mapped_ports, [])
      assert.notProperty((yield* call("GET", `/rentals/${json.rental_id}`)).json, "ssh_credentials")
      assert.isFalse((yield* call("GET", "/rentals")).json.rentals[0].has_ssh)
    }))

  it.effect("passes on what is to be run, and drops port 22 and volumes with dots", () =>
    Effect.gen(function*() {
      const containers = machine()
      const { call } = yield* inMemory(containers)
      const body = rental({
        environment: { A: "b c" },
        command: ["bash", "-c", "a; b"],
        ports: [{ container_port: 22, host_port: 2222, protocol: "tcp" }],
        resources: { cpu_cores: 0.5, memory_mb: 512, storage_mb: 0, gpu_count: 1 },
        volumes: [
          { host_path: "/data", container_path: "/data" },
          { host_path: "/data/../etc", container_path: "/etc" }
        ],
        no_ssh: true,
        unknown_field: 1
      })
      const { json } = yield* call("POST", "/rentals", { body })
      assert.deepStrictEqual(containers.started, [{
        rentalId: json.rental_id,
        image: "nvidia/cuda:12.2.0-base-ubuntu22.04",
        command: ["bash", "-c", "a; b"],
        environment: { A: "b c" },
        ports: [],
        volumes: [{ hostPath: "/data", containerPath: "/data", readOnly: false }],
        resources: { cpuCores: 0.5, memoryMb: 512 }
      }])
    }))

  it.effect("hides the machine from the list until the rental is stopped", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const isListed = Effect.map(call("GET", "/executors"), ({ text }) => text.includes(bigId))
      assert.isTrue(yield* isListed)
      const { json } = yield* call("POST", "/rentals", { body: rental({ executor_selection: onExecutor(bigId) }) })
      assert.isFalse(yield* isListed)
      assertEmpty(yield* call("DELETE", `/rentals/${json.rental_id}`), 204)
      assert.isTrue(yield* isListed)
    }))

  it.effect("gives each of those who ask at once a machine of their own", () =>
    Effect.gen(function*() {
      const containers = machine()
      containers.start = Effect.yieldNow
      containers.state = Effect.as(Effect.yieldNow, "Active" as const)
      const { call } = yield* inMemory(containers)
      yield* call("POST", "/rentals", { body: rental({ executor_selection: onExecutor(freeId) }) })
      const replies = yield* Effect.all(
        Array.from({ length: 3 }, () => call("POST", "/rentals", { body: rental() })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(replies.map(({ status }) => status).toSorted((left, right) => left - right), [
        200,
        200,
        404
      ])
      const { json } = yield* call("GET", "/rentals")
      assert.strictEqual(new Set(json.rentals.map((one: { executor_id: string }) => one.executor_id)).size, 3)
    }))

  it.effect("picks any of the machines that fit", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const picked = new Set<string>()
      for (let round = 0; round < 30; round++) {
        const { json } = yield* call("POST", "/rentals", { body: rental() })
        picked.add((yield* call("GET", `/rentals/${json.rental_id}`)).json.executor.id)
        yield* call("DELETE", `/rentals/${json.rental_id}`)
      }
      assert.strictEqual(picked.size, 2)
    }))

  it.effect("answers that no machine fits in words without a prefix", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      for (const selection of [gpu({ gpu_type: "h200" }), gpu({ gpu_count: 9 }), gpu({ min_memory_gb: 81 })]) {
        const reply = yield* call("POST", "/rentals", { body: rental({ executor_selection: selection }) })
        assertEnvelope(reply, 404, "BASILICA_API_NOT_FOUND", "executor matching GPU requirements")
      }
    }))

  it.effect("answers a bad key or image with an envelope and 400", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      for (const ssh_public_key of ["", " ssh-ed25519 AAAA", "ssh-ed25519", "ecdsa-sha2-nistp256 AAAA"]) {
        const reply = yield* call("POST", "/rentals", { body: rental({ ssh_public_key, no_ssh: true }) })
        assertEnvelope(reply, 400, "BASILICA_API_BAD_REQUEST", "Bad request: Invalid SSH public key")
      }
      for (const container_image of ["", "Upper/Case", "a b", "nvcr.io/UPPER", "a".repeat(501)]) {
        const reply = yield* call("POST", "/rentals", { body: rental({ container_image }) })
        assert.strictEqual(reply.status, 400)
        assert.match(reply.json.error.message, /^Bad request: Invalid container image: /)
      }
    }))

  const behind: ReadonlyArray<readonly [string, Record<string, unknown>]> = [
    ["an executor that is not there", { executor_selection: onExecutor("nobody") }],
    ["a registry that is not allowed", { container_image: "nvcr.io/nvidia/cuda:12" }],
    ["an image that is blocked", { container_image: "alpine/socat" }],
    ["a host port that is not allowed", { ports: [{ container_port: 80, host_port: 111 }] }],
    ["a host port out of range", { ports: [{ container_port: 80, host_port: 65536 }] }],
    ["a container port of 0", { ports: [{ container_port: 0, host_port: 80 }] }],
    ["a protocol that is not known", { ports: [{ container_port: 80, host_port: 80, protocol: "TCP" }] }],
    ["a volume of the system", { volumes: [{ host_path: "/etc/x", container_path: "/x" }] }],
    ["a volume that is not absolute", { volumes: [{ host_path: "data", container_path: "/x" }] }]
  ]
  for (const [what, changes] of behind) {
    it.effect(`answers ${what} with 500 and leaves nothing behind`, () =>
      Effect.gen(function*() {
        const { call } = yield* inMemory(machine())
        const reply = yield* call("POST", "/rentals", { body: rental(changes) })
        assert.strictEqual(reply.status, 500)
        assert.strictEqual(reply.json.error.code, "BASILICA_API_OTHER_ERROR")
        assert.strictEqual(reply.json.error.message, "Failed to start rental: 500 Internal Server Error - ")
        assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 0)
        assert.strictEqual((yield* call("GET", "/executors")).json.total_count, 6)
      }))
  }

  it.effect("answers a runtime that fails with 500 and frees the machine", () =>
    Effect.gen(function*() {
      const containers = machine()
      containers.start = Effect.fail(failure)
      const { call } = yield* inMemory(containers)
      const message = "Failed to start rental: 500 Internal Server Error - "
      const logged: Array<string> = []
      const reply = yield* call("POST", "/rentals", { body: rental() }).pipe(Effect.provide(keeping(logged)))
      assertEnvelope(reply, 500, "BASILICA_API_OTHER_ERROR", message)
      assert.deepStrictEqual(logged, ["A deployment was not started: the machine burns"])
      assert.strictEqual((yield* call("GET", "/executors")).json.total_count, 6)
    }))

  it.effect("answers a shape that it does not take with text and 422", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const bodies: ReadonlyArray<unknown> = [
        {},
        [],
        rental({ executor_selection: { type: "gpu_requirements", gpu_requirements: { gpu_count: 1 } } }),
        rental({ executor_selection: { type: "cheapest" } }),
        rental({ ports: [{ container_port: 80 }] }),
        rental({ ports: [{ container_port: -1, host_port: 80 }] }),
        rental({ resources: { cpu_cores: 1 } }),
        rental({ environment: { A: 1 } }),
        rental({ command: "bash" })
      ]
      for (const body of bodies) {
        assertText(
          yield* call("POST", "/rentals", { body }),
          422,
          "Failed to deserialize the JSON body into the target type: "
        )
      }
    }))

  it.effect("answers what is no JSON with text and 400, and another content type with 415", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const post = (text: string, headers: Record<string, string>) => call("POST", "/rentals", { text, headers })
      const json = { "content-type": "application/json; charset=utf-8" }
      assertText(yield* post("{", json), 400, "Failed to parse the request body as JSON: ")
      assertText(yield* post("", json), 400, "Failed to parse the request body as JSON: ")
      const expected = "Expected request with `Content-Type: application/json`"
      assertText(yield* post(JSON.stringify(rental()), { "content-type": "text/plain" }), 415, expected)
      assertText(yield* post(JSON.stringify(rental()), { "content-type": "" }), 415, expected)
      const own = { "content-type": "application/vnd.acme+json; charset=utf-8" }
      assertText(yield* post("{", own), 400, "Failed to parse the request body as JSON: ")
      assert.strictEqual((yield* post(JSON.stringify(rental()), own)).status, 200)
    }))

  it.effect("answers a bare 408 after fifteen minutes, and goes on", () =>
    Effect.gen(function*() {
      const containers = machine()
      const { call } = yield* inMemory(containers)
      const begun = yield* Deferred.make<void>()
      containers.start = Effect.andThen(Deferred.succeed(begun, undefined), Effect.sleep("20 minutes"))
      const starting = yield* Effect.forkChild(call("POST", "/rentals", { body: rental() }))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("899 seconds")
      assert.isUndefined(starting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assertEmpty(yield* Fiber.join(starting), 408)
      assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 0)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 1)
    }))

  it.effect("finishes a start whose caller has gone, so that the list shows it", () =>
    Effect.gen(function*() {
      const containers = machine()
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      containers.start = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(gate))
      const { call } = yield* inMemory(containers)
      const caller = yield* Effect.forkChild(call("POST", "/rentals", { body: rental() }))
      yield* Deferred.await(begun)
      const interrupt = yield* Effect.forkChild(Fiber.interrupt(caller))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(interrupt)
      assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 1)
    }))
})

describe("a rental", () => {
  const started = Effect.fnUntraced(function*(containers = machine()) {
    const server = yield* inMemory(containers)
    const { json } = yield* server.call("POST", "/rentals", { body: rental({ executor_selection: onExecutor(bigId) }) })
    return { ...server, containers, id: json.rental_id as string, path: `/rentals/${json.rental_id}` }
  })

  it.effect("is written differently in the list and by itself", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1500 millis")
      const { call, id, path } = yield* started()
      const executor = {
        gpu_specs: Array.from({ length: 8 }, () => ({
          name: "NVIDIA H100 80GB HBM3",
          memory_gb: 80,
          compute_capability: "8.0"
        })),
        cpu_specs: { cores: 192, model: "AMD EPYC 9654", memory_gb: 2048 },
        location: "Ashburn/Virginia/US",
        network_speed: { download_mbps: 9412.5, upload_mbps: 8801.3, test_timestamp: "2025-09-19T10:00:00Z" }
      }
      assert.deepStrictEqual((yield* call("GET", path)).json, {
        rental_id: id,
        status: "active",
        executor: { id: bigId, ...executor },
        ssh_credentials: "root@84.200.81.243:32776",
        created_at: "1970-01-01T00:00:01.500000000Z",
        updated_at: "1970-01-01T00:00:01.500000000Z"
      })
      assert.deepStrictEqual((yield* call("GET", "/rentals")).json, {
        rentals: [{
          rental_id: id,
          executor_id: bigId,
          container_id: "9c1d".repeat(16),
          state: "Active",
          created_at: "1970-01-01T00:00:01.500000000+00:00",
          miner_id: "miner_42",
          container_image: "nvidia/cuda:12.2.0-base-ubuntu22.04",
          has_ssh: true,
          ...executor
        }],
        total_count: 1
      })
    }))

  const names = [
    ["Provisioning", "pending"],
    ["Active", "active"],
    ["Stopped", "terminated"],
    ["Failed", "failed"]
  ] as const
  for (const [state, status] of names) {
    it.effect(`is ${state} in the list where it is ${status} by itself`, () =>
      Effect.gen(function*() {
        const { call, containers, path } = yield* started()
        containers.state = Effect.succeed(state)
        assert.strictEqual((yield* call("GET", path)).json.status, status)
        assert.strictEqual((yield* call("GET", `/rentals?status=${state}`)).json.rentals[0].state, state)
        const other = state === "Active" ? "Stopped" : "Active"
        assert.strictEqual((yield* call("GET", `/rentals?status=${other}`)).json.total_count, 0)
      }))
  }

  it.effect("takes states for a filter letter for letter, and ignores the other filters", () =>
    Effect.gen(function*() {
      const { call } = yield* started()
      assertText(yield* call("GET", "/rentals?status=active"), 400, "Failed to deserialize query string: ")
      assert.strictEqual((yield* call("GET", "/rentals?gpu_type=none&min_gpu_count=99")).json.total_count, 1)
    }))

  it.effect("frees its machine when it has ended by itself, and stays in the list", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      containers.state = Effect.succeed("Stopped")
      assert.include((yield* call("GET", "/executors")).text, bigId)
      assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 1)
      assertEmpty(yield* call("DELETE", path), 204)
    }))

  it.effect("answers 500 where its container is gone, while the list goes on", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      containers.state = Effect.fail(failure)
      const logged: Array<string> = []
      const reply = yield* call("GET", path).pipe(Effect.provide(keeping(logged)))
      assertEnvelope(reply, 500, "BASILICA_API_OTHER_ERROR", "Failed to get rental status: 404 Not Found - ")
      assert.match(logged.join("\n"), /^The state of rental-\S+ cannot be told: the machine burns$/)
      assert.strictEqual((yield* call("GET", "/rentals")).json.rentals[0].state, "Active")
    }))

  it.effect("vanishes when it is stopped", () =>
    Effect.gen(function*() {
      const { call, path } = yield* started()
      assertEmpty(yield* call("DELETE", path), 204)
      assertEmpty(yield* call("DELETE", path), 404)
      assertEmpty(yield* call("GET", path), 404)
      assertEmpty(yield* call("GET", `${path}/logs`), 404)
      assert.deepStrictEqual((yield* call("GET", "/rentals")).json, { rentals: [], total_count: 0 })
    }))

  it.effect("is stopping for as long as its end takes", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      containers.stop = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(gate))
      const stop = yield* Effect.forkChild(call("DELETE", path))
      yield* Deferred.await(begun)
      assert.strictEqual((yield* call("GET", "/rentals?status=Stopping")).json.total_count, 1)
      assert.strictEqual((yield* call("GET", path)).json.status, "terminated")
      yield* Deferred.succeed(gate, undefined)
      assertEmpty(yield* Fiber.join(stop), 204)
    }))

  it.effect("stays where its end cannot be proven, and says so", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      containers.stop = Effect.fail(failure)
      const message = "Failed to terminate rental: 500 Internal Server Error - the machine burns"
      assertEnvelope(yield* call("DELETE", path), 500, "BASILICA_API_OTHER_ERROR", message)
      assert.strictEqual((yield* call("GET", path)).json.status, "active")
    }))

  it.effect("is answered for with a bare 408 after fifteen minutes, whatever was asked", () =>
    Effect.gen(function*() {
      const containers = machine()
      const { call, path } = yield* started(containers)
      for (const one of ["/executors", "/rentals", path, `${path}/logs`]) {
        const begun = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const slow = Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
        )
        containers.state = slow
        containers.logs = () => slow
        const asking = yield* Effect.forkChild(call("GET", one))
        yield* Deferred.await(begun)
        yield* TestClock.adjust("899 seconds")
        assert.isUndefined(asking.pollUnsafe(), one)
        yield* TestClock.adjust("1 second")
        assertEmpty(yield* Fiber.join(asking), 408)
        yield* Deferred.await(ended)
      }
    }))

  it.effect("is stopped behind a 408 too", () =>
    Effect.gen(function*() {
      const containers = machine()
      const { call, path } = yield* started(containers)
      const begun = yield* Deferred.make<void>()
      containers.stop = Effect.andThen(Deferred.succeed(begun, undefined), Effect.sleep("20 minutes"))
      const stopping = yield* Effect.forkChild(call("DELETE", path))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("15 minutes")
      assertEmpty(yield* Fiber.join(stopping), 408)
      assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 1)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 0)
    }))

  it.effect("answers an id that is none with a bare 404, before it reads the query", () =>
    Effect.gen(function*() {
      const { call } = yield* started()
      assertEmpty(yield* call("GET", `/rentals/${"a".repeat(9000)}`), 404)
      assertEmpty(yield* call("GET", "/rentals/nobody/logs?tail=x"), 404)
      assertEmpty(yield* call("DELETE", "/rentals/..%2Fapi-keys"), 404)
    }))

  it.effect("has a log of events with data alone, to the letter", () =>
    Effect.gen(function*() {
      const { call, path } = yield* started()
      const reply = yield* call("GET", `${path}/logs`)
      assert.strictEqual(reply.status, 200)
      assert.strictEqual(reply.type, "text/event-stream")
      assert.strictEqual(reply.headers.get("cache-control"), "no-cache")
      const event = (message: string) =>
        `data:{"message":"${message}","stream":"stdout","timestamp":"2025-09-20T12:00:00.123456789Z"}\n\n`
      assert.strictEqual(reply.text, event("hello") + event("world"))
    }))

  it.effect("passes follow and tail on, and answers what they cannot be with text and 400", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      const asked: Array<unknown> = []
      containers.logs = (options: unknown) => {
        asked.push(options)
        return Effect.succeed(Stream.empty)
      }
      yield* call("GET", `${path}/logs`)
      yield* call("GET", `${path}/logs?follow=true&tail=0`)
      yield* call("GET", `${path}/logs?follow=false&tail=4294967295`)
      assert.deepStrictEqual(asked, [
        { follow: false, tail: undefined },
        { follow: true, tail: 0 },
        { follow: false, tail: 4294967295 }
      ])
      for (const query of ["tail=-1", "tail=x", "tail=", "follow=1"]) {
        assertText(yield* call("GET", `${path}/logs?${query}`), 400, "Failed to deserialize query string: ")
      }
    }))

  it.effect("ends a log that breaks off with an event that says so", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      containers.logs = () => Effect.succeed(Stream.concat(Stream.make(line("hello")), Stream.fail(failure)))
      const { status, text } = yield* call("GET", `${path}/logs?follow=true`)
      assert.strictEqual(status, 200)
      const last =
        "data:{\"message\":\"Stream error: the machine burns\",\"stream\":\"error\",\"timestamp\":\"1970-01-01T00:00:00.000000000Z\"}\n\n"
      assert.strictEqual(text, new TextDecoder().decode(line("hello")) + last)
    }))

  it.effect("answers a log that cannot be opened with 502, which says that it can be retried", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      containers.logs = () => Effect.fail(failure)
      const message = "Validator communication error: Failed to stream logs: the machine burns"
      assertEnvelope(yield* call("GET", `${path}/logs`), 502, "BASILICA_API_VALIDATOR_COMM_ERROR", message, true)
    }))

  it.effect("has its log cut after fifteen minutes", () =>
    Effect.gen(function*() {
      const { call, containers, path } = yield* started()
      const opened = yield* Deferred.make<void>()
      containers.logs = () =>
        Effect.succeed(Stream.concat(
          Stream.make(line("hello")),
          Stream.fromEffectDrain(Effect.andThen(Deferred.succeed(opened, undefined), Effect.never))
        ))
      const follower = yield* Effect.forkChild(call("GET", `${path}/logs?follow=true`))
      yield* Deferred.await(opened)
      yield* TestClock.adjust("899 seconds")
      assert.isUndefined(follower.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const { text } = yield* Fiber.join(follower)
      assert.match(
        text,
        /"hello".*\n\ndata:{"message":"Stream error: .*","stream":"error","timestamp":"1970-01-01T00:15:00.000000000Z"}\n\n$/s
      )
    }))
})

describe("API keys", () => {
  const create = (name: unknown, rest: Record<string, unknown> = {}) => ({ body: { name, ...rest } })

  it.effect("are made with 200, in the format of the service, and open the door", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const { json, status } = yield* call("POST", "/api-keys", create("ci-bot"))
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(Object.keys(json), ["name", "created_at", "token"])
      assert.match(json.token, /^basilica_[A-Za-z0-9_-]{64}$/)
      assert.strictEqual((yield* call("GET", "/executors", { token: json.token })).status, 200)
    }))

  it.effect("are listed newest first, as a bare array, with their last use", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const { json: first } = yield* call("POST", "/api-keys", create("first"))
      yield* TestClock.adjust("1 second")
      yield* call("POST", "/api-keys", create("second"))
      yield* call("GET", "/rentals", { token: first.token })
      const { json } = yield* call("GET", "/api-keys")
      assert.match(json[0].kid, /^[0-9a-f]{32}$/)
      const early = "1970-01-01T00:00:00.000000000Z"
      const late = "1970-01-01T00:00:01.000000000Z"
      assert.deepStrictEqual(json, [
        { kid: json[0].kid, name: "second", created_at: late, last_used_at: null },
        { kid: json[1].kid, name: "first", created_at: early, last_used_at: late }
      ])
    }))

  it.effect("are revoked with an empty 200, and shut the door", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const { json } = yield* call("POST", "/api-keys", create("ci"))
      assertEmpty(yield* call("DELETE", "/api-keys/ci"), 200)
      assert.strictEqual((yield* call("GET", "/rentals", { token: json.token })).status, 401)
      const message = "API key with name 'ci' not found"
      assertEnvelope(yield* call("DELETE", "/api-keys/ci"), 404, "BASILICA_API_NOT_FOUND", message)
    }))

  it.effect("have names that are checked: 422 on making, an envelope and 400 on revoking", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      for (const name of ["", "a b", "ü", "a".repeat(101), 7]) {
        assertText(yield* call("POST", "/api-keys", create(name)), 422, "Failed to deserialize the JSON body")
      }
      for (const name of ["a%20b", "a".repeat(101)]) {
        const reply = yield* call("DELETE", `/api-keys/${name}`)
        assert.strictEqual(reply.status, 400)
        assert.strictEqual(reply.json.error.code, "BASILICA_API_BAD_REQUEST")
      }
    }))

  it.effect("are ten at most, each with a name of its own, for each tenant", () =>
    Effect.gen(function*() {
      const { call, tokens } = yield* inMemory(machine())
      yield* call("POST", "/api-keys", create("key-0"))
      const code = "BASILICA_API_CONFLICT"
      const twice = "Conflict: API key with name 'key-0' already exists"
      assertEnvelope(yield* call("POST", "/api-keys", create("key-0")), 409, code, twice)
      for (let index = 1; index < 10; index++) yield* call("POST", "/api-keys", create(`key-${index}`))
      const full = "Conflict: Maximum number of API keys (10) reached. Please delete an existing key first."
      assertEnvelope(yield* call("POST", "/api-keys", create("key-10")), 409, code, full)
      const other = { token: tokens[1] ?? "" }
      assert.strictEqual((yield* call("POST", "/api-keys", { ...create("key-0"), ...other })).status, 200)
      assert.strictEqual((yield* call("GET", "/api-keys", other)).json.length, 1)
    }))

  it.effect("are not managed with a key, whose 401 says so", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const { json } = yield* call("POST", "/api-keys", create("ci"))
      const message = "Authentication error: API key management requires human authentication (JWT)"
      const code = "BASILICA_API_AUTH_ERROR"
      const withKey = { token: json.token as string }
      assertEnvelope(yield* call("GET", "/api-keys", withKey), 401, code, message)
      assertEnvelope(yield* call("POST", "/api-keys", { ...withKey, ...create("b") }), 401, code, message)
      assertEnvelope(yield* call("DELETE", "/api-keys/ci", withKey), 401, code, message)
    }))
})

describe("GET /openapi.json", () => {
  it.effect("lists the ten routes and needs no token", () =>
    Effect.gen(function*() {
      const { call } = yield* inMemory(machine())
      const { json } = yield* call("GET", "/openapi.json", { token: null })
      const routes = Object.entries(json.paths as Record<string, object>)
        .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
      assert.sameMembers(routes, [
        "GET /health",
        "GET /executors",
        "GET /rentals",
        "POST /rentals",
        "GET /rentals/{rental_id}",
        "DELETE /rentals/{rental_id}",
        "GET /rentals/{rental_id}/logs",
        "POST /api-keys",
        "GET /api-keys",
        "DELETE /api-keys/{name}"
      ])
      assert.sameMembers(Object.keys(json.paths["/rentals"].post.responses), [
        "200",
        "400",
        "401",
        "403",
        "404",
        "408",
        "415",
        "422",
        "500"
      ])
      const { get, post } = json.paths["/rentals"]
      assert.sameMembers(Object.keys(post.responses["400"].content), ["text/plain", "application/json"])
      assert.sameMembers(Object.keys(get.responses), ["200", "400", "401", "403", "408", "500", "502"])
    }))
})
