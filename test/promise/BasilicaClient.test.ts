import {
  ApiError,
  AuthenticationError,
  BasilicaClient,
  type BasilicaClientOptions,
  ConfigurationError,
  DeploymentError,
  LogCursor,
  type LogEntry,
  NetworkError,
  NotFound,
  StopUnconfirmed,
  TimeoutError
} from "basilica-sdk/promise"
import { Effect, Exit, Scope } from "effect"
import { getEventListeners } from "node:events"
import type { ServerResponse } from "node:http"
import { inspect } from "node:util"
import { afterEach, assert, describe, it, vi } from "vitest"
import {
  type Answer,
  bare,
  envelope,
  json,
  logEvent,
  rental,
  rentalId,
  rentalItem,
  type ScriptedServer,
  scriptedServer,
  started
} from "../support/ScriptedServer.ts"

/** A server and a client, closed after each test. */
const closing: Array<() => Promise<unknown>> = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closing.splice(0).toReversed()) await close()
})

const start = async (answer: Answer, options: BasilicaClientOptions = {}) => {
  const scope = Scope.makeUnsafe()
  const server = await Effect.runPromise(Scope.provide(scriptedServer(answer), scope))
  const basilica = new BasilicaClient({ baseUrl: server.url, token: "secret-token-1", ...options })
  closing.push(() => Effect.runPromise(Scope.close(scope, Exit.void)), () => basilica.close())
  return { basilica, server }
}
const allClosed = (server: ScriptedServer) => Effect.runPromise(server.allClosed)
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => assert.fail("did not reject"), (error: unknown) => error)

const config = { executorId: "2f0c6a3e", image: "ubuntu:24.04", noSsh: true }
const noRentals = (response: ServerResponse) => json(response, 200, { rentals: [], total_count: 0 })
const endlessLog: Answer = (response, { url }) => {
  if (!url.includes("/logs")) return json(response, 200, rental("active"))
  response.writeHead(200, { "content-type": "text/event-stream" })
  return response.write(logEvent("a") + logEvent("b"))
}

describe("BasilicaClient", () => {
  it("refuses an option that it does not have", async () => {
    const secret = `basilica_${"s".repeat(64)}`
    const cases = [
      ["journal", "journal is not an option here; look at its spelling: did you mean journalFile?"],
      ["colour", "colour is not an option here; look at its spelling"],
      [secret, "options[...] is not an option here"]
    ] as const
    for (const [name, words] of cases) {
      const options: object = { token: "t", [name]: "deploys.journal" }
      await using basilica = new BasilicaClient(options)
      const error: unknown = await basilica.deployments.list().catch((reason: unknown) => reason)
      assert.instanceOf(error, ConfigurationError)
      assert.include(error.message, `BasilicaClient: ${words}`)
      assert.notInclude(error.message, secret)
    }
  })

  it("says that it takes an object of options", async () => {
    await using basilica = new BasilicaClient("http://127.0.0.1:1" as never)
    const error = await rejection(basilica.health())
    assert.instanceOf(error, ConfigurationError)
    assert.strictEqual(error.message, "BasilicaClient: options has the type string; allowed: object. Nothing was sent.")
  })

  it("refuses a token that is no text", async () => {
    await using basilica = new BasilicaClient({ token: 5 as never })
    const error = await rejection(basilica.deployments.list())
    assert.instanceOf(error, ConfigurationError)
    assert.match(error.message, /token is not text; allowed: printable ASCII/)
  })

  it("does every operation", async () => {
    const created = { name: "ci", created_at: "2025-09-20T12:00:00Z", token: "basilica_canary" }
    const { basilica, server } = await start((response, { method, url }) => {
      const route = `${method} ${url.replace(rentalId, "ID")}`
      const replies: Record<string, unknown> = {
        "GET /health": { status: "healthy", version: "1", timestamp: "t", healthy_validators: 1, total_validators: 1 },
        "GET /executors?gpu_type=h100": { available_executors: [], total_count: 0 },
        "GET /executors": {
          available_executors: [{
            executor: { id: "e1", gpu_specs: [], cpu_specs: { cores: 1, model: "m", memory_gb: 1 }, location: null }
          }],
          total_count: 1
        },
        "POST /rentals": started,
        "GET /rentals": { rentals: [rentalItem("Active")], total_count: 1 },
        "GET /rentals/ID": rental("active"),
        "POST /api-keys": created,
        "GET /api-keys": [{ kid: "00", name: "ci", created_at: "2025-09-20T12:00:00Z", last_used_at: null }]
      }
      if (route === "DELETE /rentals/ID") return bare(response, 204)
      if (route === "DELETE /api-keys/ci") return bare(response, 200)
      return json(response, replies[route] === undefined ? 500 : 200, replies[route] ?? route)
    })
    assert.strictEqual((await basilica.health()).status, "healthy")
    assert.lengthOf((await basilica.executors.listAvailable({ gpuType: "h100" })).items, 0)
    assert.strictEqual((await basilica.executors.get("e1")).id, "e1")
    assert.strictEqual((await basilica.deployments.deploy(config)).id, rentalId)
    assert.lengthOf((await basilica.deployments.list()).items, 1)
    assert.strictEqual((await basilica.deployments.get(rentalId)).ssh?.command, "ssh -p 32776 root@1.2.3.4")
    assert.strictEqual((await basilica.deployments.status(rentalId))._tag, "Running")
    assert.strictEqual((await basilica.deployments.waitUntilRunning(rentalId)).id, rentalId)
    assert.isUndefined(await basilica.deployments.stop(rentalId))
    const key = await basilica.apiKeys.create("ci")
    assert.strictEqual(key.token.reveal(), "basilica_canary")
    assert.notInclude(
      inspect(key, { depth: null, showHidden: true }) + JSON.stringify(key) + key.token.toString(),
      "canary"
    )
    assert.lengthOf((await basilica.apiKeys.list()).items, 1)
    assert.isUndefined(await basilica.apiKeys.revoke("ci"))
    assert.lengthOf(server.received, 14)
  })

  it("rejects with the same errors, by instanceof and by _tag", async () => {
    const { basilica } = await start((response, { method, url }) => {
      if (url === "/rentals" && method === "GET") return noRentals(response)
      return method === "POST"
        ? envelope(response, 400, "BASILICA_API_BAD_REQUEST", "Bad request: no")
        : bare(response, 404)
    })
    const gone = await rejection(basilica.deployments.get(rentalId))
    assert.instanceOf(gone, NotFound)
    assert.instanceOf(gone, Error)
    assert.strictEqual(gone.id, rentalId)
    const refused = await rejection(basilica.deployments.deploy(config))
    assert.instanceOf(refused, DeploymentError)
    assert.strictEqual(refused.status, 400)
    assert.instanceOf(await rejection(basilica.deployments.get("..")), ConfigurationError)
    assert.instanceOf(await rejection(basilica.apiKeys.list()), ApiError)
    assert.strictEqual((await rejection(basilica.executors.listAvailable()) as { _tag: string })._tag, "ApiError")
  })

  it("takes the environment where the options say nothing", async () => {
    const { server } = await start((response) => json(response, 200, { available_executors: [], total_count: 0 }))
    vi.stubEnv("BASILICA_API_URL", server.url)
    vi.stubEnv("BASILICA_API_TOKEN", "from-env")
    await using fromEnvironment = new BasilicaClient()
    await fromEnvironment.executors.listAvailable()
    await using fromOptions = new BasilicaClient({ token: "from-options" })
    await fromOptions.executors.listAvailable()
    assert.deepEqual(server.received.map(({ headers }) => headers.authorization), [
      "Bearer from-env",
      "Bearer from-options"
    ])
  })

  it("rejects what it cannot be set up with", async () => {
    vi.stubEnv("BASILICA_API_TOKEN", undefined)
    await using cleartext = new BasilicaClient({ baseUrl: "http://api.basilica.ai", token: "t" })
    assert.instanceOf(await rejection(cleartext.health()), ConfigurationError)
    await using without = new BasilicaClient({ baseUrl: "http://127.0.0.1:1" })
    assert.instanceOf(await rejection(without.executors.listAvailable()), AuthenticationError)
    assert.instanceOf(await rejection(without.health()), NetworkError)
    vi.stubEnv("BASILICA_API_URL", "http://api.basilica.ai")
    await using fromEnvironment = new BasilicaClient({ token: "t" })
    assert.match(String(await rejection(fromEnvironment.health())), /BASILICA_API_URL is not encrypted/)
  })

  it("has one deadline for a call", async () => {
    const { basilica, server } = await start(() => {}, { timeout: "50 millis" })
    const error = await rejection(basilica.executors.listAvailable())
    assert.instanceOf(error, TimeoutError)
    assert.strictEqual(error.phase, "headers")
    await allClosed(server)
  })

  it("cancels a call by its signal, before it and during it", async () => {
    const { basilica, server } = await start(() => controller.abort(new Error("enough")))
    const controller = new AbortController()
    const error = await rejection(basilica.executors.listAvailable({}, { signal: controller.signal }))
    assert.strictEqual((error as Error).message, "enough")
    await allClosed(server)
    const again = await rejection(basilica.executors.listAvailable({}, { signal: controller.signal }))
    assert.strictEqual((again as Error).message, "enough")
    assert.lengthOf(server.received, 1)
  })

  it("stops what a cancelled deploy brings, before it is closed", async () => {
    const controller = new AbortController()
    let answer = () => {}
    const { basilica, server } = await start((response, { method }) => {
      if (method === "DELETE") return bare(response, 204)
      if (method === "GET") return noRentals(response)
      answer = () => json(response, 200, started)
      return controller.abort()
    })
    const error = await rejection(basilica.deployments.deploy(config, { signal: controller.signal }))
    assert.strictEqual((error as Error).name, "AbortError")
    const closed = basilica.close()
    answer()
    await closed
    assert.deepEqual(server.received.map(({ method }) => method), ["GET", "POST", "DELETE"])
  })

  it("stops a scoped deployment at the end of its block", async () => {
    const { basilica, server } = await start((response, { method }) => {
      if (method === "GET") return noRentals(response)
      return method === "POST" ? json(response, 200, started) : bare(response, 204)
    })
    {
      await using job = await basilica.deployments.scoped(config)
      assert.strictEqual(job.id, rentalId)
      assert.lengthOf(server.received, 2)
    }
    assert.deepEqual(server.received.map(({ method }) => method), ["GET", "POST", "DELETE"])
  })

  it("rejects calls after close, and cancels those before it", async () => {
    const { basilica, server } = await start(() => void basilica.close())
    const cut = await rejection(basilica.health())
    assert.deepInclude(cut, { _tag: "NetworkError", outcome: "unknown" })
    await basilica.close()
    assert.match(((await rejection(basilica.health())) as Error).message, /closed/)
    const logs = basilica.deployments.logs(rentalId)
    assert.instanceOf(await rejection(logs.next()), ConfigurationError)
    await allClosed(server)
    assert.lengthOf(server.received, 1)
  })
})

describe("BasilicaClient.deployments.scoped", () => {
  it("stops what came of it where it was cancelled on its way", async () => {
    const controller = new AbortController()
    let answer = () => {}
    const { basilica, server } = await start((response, { method }) => {
      if (method === "GET") return noRentals(response)
      if (method === "DELETE") return bare(response, 204)
      answer = () => json(response, 200, started)
      setImmediate(() => answer())
      return controller.abort(new Error("enough"))
    })
    const error = await rejection(basilica.deployments.scoped(config, { signal: controller.signal }))
    assert.strictEqual((error as Error).message, "enough")
    assert.deepEqual(server.received.map(({ method }) => method), ["GET", "POST", "DELETE"])
  })

  it("is unknown where the client closed, also if its own signal fires before that is done", async () => {
    const controller = new AbortController()
    const { basilica } = await start((response, { method }) => {
      if (method === "GET") return noRentals(response)
      if (method === "DELETE") return bare(response, 204)
      void basilica.close()
      setTimeout(() => {
        controller.abort()
        json(response, 200, started)
      }, 50)
    })
    const error = await rejection(basilica.deployments.deploy(config, { signal: controller.signal }))
    assert.deepInclude(error, { _tag: "NetworkError", outcome: "unknown" })
  })

  it("rejects each end of its block with what the first came to, and is stopped again by the close", async () => {
    let fails = true
    const { basilica, server } = await start((response, { method }) => {
      if (method === "POST") return json(response, 200, started)
      if (method === "DELETE") return bare(response, fails ? 401 : 204)
      return noRentals(response)
    })
    const job = await basilica.deployments.scoped(config)
    const [first, second] = [job, job].map(async (one) => one[Symbol.asyncDispose]())
    if (first === undefined || second === undefined) return
    assert.deepInclude(await rejection(first), { _tag: "StopUnconfirmed", id: rentalId })
    assert.strictEqual(await rejection(second), await rejection(first))
    fails = false
    await basilica.close()
    assert.deepEqual(server.received.map(({ method }) => method), ["GET", "POST", "DELETE", "DELETE"])
  })

  it.each(["deploy", "scoped"] as const)(
    "is stopped by the close before a %s that is under way is answered",
    async (how) => {
      const order: Array<string> = []
      let answer = () => {}
      const { basilica, server } = await start((response, { body, method, url }) => {
        if (method === "GET") return noRentals(response)
        if (method === "DELETE") {
          order.push(url)
          // The slow one is answered when the held one is being stopped: then it did not wait for that.
          answer()
          answer = () => {}
          return bare(response, 204)
        }
        const id = /"executor_id":"(\w+)"/.exec(body)?.[1] ?? ""
        if (id === "held") return json(response, 200, { ...started, rental_id: id })
        answer = () => json(response, 200, { ...started, rental_id: id })
        return void basilica.close()
      })
      await basilica.deployments.scoped({ ...config, executorId: "held" })
      await rejection(basilica.deployments[how]({ ...config, executorId: "slow" }))
      await basilica.close()
      assert.deepEqual(order, ["/rentals/held", "/rentals/slow"])
      assert.lengthOf(server.received.filter(({ method }) => method === "POST"), 2)
    }
  )

  it("rejects the close where nobody knows what came of a deploy that was cancelled", async () => {
    const controller = new AbortController()
    const { server } = await start((response, { method }) => {
      if (method === "GET") return noRentals(response)
      controller.abort()
      return bare(response, 500)
    })
    const basilica = new BasilicaClient({ baseUrl: server.url, token: "t", deployTimeout: 900 })
    await rejection(basilica.deployments.deploy(config, { signal: controller.signal }))
    assert.deepInclude(await rejection(basilica.close()), { _tag: "DeployOutcomeUnknown" })
  })

  it("rejects the close with each stop that is not certain", async () => {
    let created = 0
    const { server } = await start((response, { method }) => {
      if (method === "POST") return json(response, 200, { ...started, rental_id: `rental-${++created}` })
      return method === "DELETE" ? bare(response, 401) : noRentals(response)
    })
    const basilica = new BasilicaClient({ baseUrl: server.url, token: "secret-token-1" })
    for (let job = 0; job < 2; job++) await basilica.deployments.scoped(config)
    const error = await rejection(basilica.close())
    assert.instanceOf(error, AggregateError)
    for (const one of error.errors) {
      assert.instanceOf(one, StopUnconfirmed)
      assert.include(error.message, one.message)
    }
    assert.deepEqual(error.errors.map(({ id }) => id), ["rental-1", "rental-2"])
  })

  it("is stopped to the end where the client closes meanwhile", async () => {
    let deletes = 0
    const { basilica, server } = await start((response, { method }) => {
      if (method === "GET") return noRentals(response)
      if (method === "POST") return json(response, 200, started)
      return ++deletes === 1 ? bare(response, 503, { "retry-after": "1" }) : bare(response, 204)
    })
    const job = await basilica.deployments.scoped(config)
    const stopping = job[Symbol.asyncDispose]()
    await basilica.close()
    await stopping
    assert.deepEqual(server.received.map(({ method }) => method), ["GET", "POST", "DELETE", "DELETE"])
  })
})

describe("BasilicaClient.deployments.logs", () => {
  it("holds nothing for an iterator that nobody iterates", async () => {
    const { basilica, server } = await start(endlessLog)
    const { signal } = new AbortController()
    for (let i = 0; i < 20; i++) basilica.deployments.logs(rentalId, { signal })
    assert.lengthOf(getEventListeners(signal, "abort"), 0)
    assert.lengthOf(server.received, 0)
  })

  it("iterates the lines to the end", async () => {
    const { basilica } = await start((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(logEvent("a"))
      setImmediate(() => response.end(logEvent("b") + logEvent("c")))
    })
    const messages: Array<string> = []
    for await (const { message } of basilica.deployments.logs(rentalId)) messages.push(message)
    assert.deepEqual(messages, ["a", "b", "c"])
  })

  it("sends nothing before the first line is asked for", async () => {
    const { basilica, server } = await start(endlessLog)
    const logs = basilica.deployments.logs(rentalId, { follow: true })
    assert.deepEqual(await logs.return?.(), { done: true, value: undefined })
    assert.deepEqual(await logs.next(), { done: true, value: undefined })
    const signal = AbortSignal.abort(new Error("not wanted"))
    const unwanted = basilica.deployments.logs(rentalId, { follow: true, signal })
    assert.strictEqual(await rejection(unwanted.next()), signal.reason)
    assert.deepEqual(await unwanted.next(), { done: true, value: undefined })
    assert.lengthOf(server.received, 0)
  })

  it("closes its one connection, and leaves the signal, when it is left after it waited", async () => {
    const logResponses: Array<ServerResponse> = []
    const { basilica, server } = await start((response, { url }) => {
      if (url.includes("/logs")) {
        logResponses.push(response.writeHead(200, { "content-type": "text/event-stream" }))
        return response.write(logEvent("a"))
      }
      for (const log of logResponses) log.write(logEvent("b"))
      return json(response, 200, rental("active"))
    })
    const { signal } = new AbortController()
    const logs = basilica.deployments.logs(rentalId, { follow: true, signal })
    assert.strictEqual((await logs.next()).value?.message, "a")
    const second = logs.next()
    await basilica.deployments.status(rentalId)
    assert.strictEqual((await second).value?.message, "b")
    await logs.return?.()
    assert.lengthOf(getEventListeners(signal, "abort"), 0)
    await allClosed(server)
    assert.lengthOf(logResponses, 1)
  })

  it("closes the connection when the loop is left", async () => {
    const { basilica, server } = await start(endlessLog)
    for await (const { message } of basilica.deployments.logs(rentalId, { follow: true })) {
      assert.strictEqual(message, "a")
      break
    }
    await allClosed(server)
  })

  it("throws the error after the lines before it", async () => {
    const { basilica } = await start((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.end(logEvent("a") + logEvent("Stream error: x", "error"))
    })
    const messages: Array<string> = []
    const error = await rejection((async () => {
      for await (const { message } of basilica.deployments.logs(rentalId)) messages.push(message)
    })())
    assert.instanceOf(error, ApiError)
    assert.deepEqual(messages, ["a"])
  })

  it("goes on from the place that an error or a line gave", async () => {
    const lines = ["a", "b", "c"].map((text, index) => logEvent(text, "stdout", `2025-09-20T12:00:0${index}Z`))
    const { basilica } = await start((response, _, count) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.end(count === 1 ? lines.slice(0, 2).join("") + logEvent("Stream error: x", "error") : lines.join(""))
    })
    const messages: Array<string> = []
    let moved = LogCursor.start(rentalId)
    const error = await rejection((async () => {
      for await (const entry of basilica.deployments.logs(rentalId)) {
        messages.push(entry.message)
        moved = LogCursor.after(moved, entry)
      }
    })())
    assert.instanceOf(error, ApiError)
    // Only a connection knows which lines may have got their time from the service.
    const known = ({ streams, ...cursor }: LogCursor) => ({
      ...cursor,
      streams: streams.map((one) => ({ ...one, young: undefined }))
    })
    assert.deepEqual(known(error.cursor ?? assert.fail()), known(moved))
    const from: LogCursor = JSON.parse(JSON.stringify(moved))
    for await (const { message } of basilica.deployments.logs(rentalId, { from })) messages.push(message)
    assert.deepEqual(messages, ["a", "b", "c"])
  })

  it("answers calls of next that overlap in their order", async () => {
    const { basilica } = await start((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(logEvent("a"))
      setImmediate(() => response.end(logEvent("b")))
    })
    const logs = basilica.deployments.logs(rentalId)
    const results = await Promise.all([logs.next(), logs.next(), logs.next(), logs.next()])
    assert.deepEqual(results.map(({ value }) => value?.message), ["a", "b", undefined, undefined])
  })

  it("tells nobody that it ended before what is held is stopped, and why before that", async () => {
    let stops: (stop: () => void) => void = () => {}
    const stopping = new Promise<() => void>((resolve) => stops = resolve)
    const { basilica } = await start((response, { method, url }) => {
      if (url.includes("/logs")) return response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
      if (method === "DELETE") return stops(() => bare(response, 204))
      return method === "POST" ? json(response, 200, started) : noRentals(response)
    })
    await basilica.deployments.scoped(config)
    const logs = basilica.deployments.logs(rentalId, { follow: true })
    const told: Array<string> = []
    const answers = [logs.next(), logs.next()].map((next) => next.then(() => told.push("end"), () => told.push("why")))
    const closing = basilica.close()
    const stop = await stopping
    assert.deepEqual(told, [])
    stop()
    await Promise.all([...answers, closing])
    assert.deepEqual(told, ["why", "end"])
  })

  it("is at its end after return, whatever came before it", async () => {
    const { basilica } = await start(endlessLog)
    const controller = new AbortController()
    const logs = basilica.deployments.logs(rentalId, { follow: true, signal: controller.signal })
    await logs.next()
    controller.abort()
    await logs.return?.()
    assert.deepEqual(await logs.next(), { done: true, value: undefined })
  })

  it("ends a thousand readers that wait, by return, by signal and by close", async () => {
    const { basilica, server } = await start(endlessLog)
    const controller = new AbortController()
    const readers = Array.from(
      { length: 1000 },
      (_, index) =>
        basilica.deployments.logs(rentalId, { follow: true, signal: index % 3 === 0 ? controller.signal : undefined })
    )
    const first = (reader: AsyncIterator<LogEntry, undefined>) => reader.next().then(() => reader.next())
    for (let from = 0; from < readers.length; from += 100) await Promise.all(readers.slice(from, from + 100).map(first))
    const waiting = readers.map((reader) => reader.next().then(({ done }) => done, (error: Error) => error.name))
    controller.abort()
    await Promise.all(readers.filter((_, index) => index % 3 === 1).map(async (reader) => reader.return?.()))
    await basilica.close()
    const ends = await Promise.all(waiting)
    assert.deepEqual(new Set(ends.filter((_, index) => index % 3 === 0)), new Set(["AbortError"]))
    assert.deepEqual(new Set(ends.filter((_, index) => index % 3 === 1)), new Set([true]))
    assert.deepEqual(new Set(ends.filter((_, index) => index % 3 === 2)), new Set(["ConfigurationError"]))
    await allClosed(server)
  })
})

describe("BasilicaClient.deployments.watch", () => {
  it("iterates the changes of state", async () => {
    const states = ["pending", "active", "active", "terminated"]
    const { basilica } = await start((response) => json(response, 200, rental(states.shift() ?? "terminated")))
    const seen: Array<string> = []
    for await (const { _tag } of basilica.deployments.watch(rentalId, { interval: 1 })) seen.push(_tag)
    assert.deepEqual(seen, ["Pending", "Running", "Stopped"])
  })
})
