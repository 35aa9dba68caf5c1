import { Effect, Exit, Scope } from "effect"
import { build } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { text } from "node:stream/consumers"
import { setTimeout } from "node:timers/promises"
import { afterEach, assert, describe, it } from "vitest"
import { bare, json, type ScriptedServer, scriptedServer, started } from "../support/ScriptedServer.ts"

const closing: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Answers with 204 to each stop, or with what is given for the machine. */
const start = async (
  onDelete: (response: ServerResponse, machine: string, count: number) => unknown = (response) => bare(response, 204)
): Promise<ScriptedServer> => {
  const counts = new Map<string, number>()
  const scope = Scope.makeUnsafe()
  closing.push(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.runPromise(Scope.provide(
    scriptedServer((response, { body, method, url }) => {
      if (url.includes("/logs")) return response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
      if (method === "POST") {
        return json(response, 200, { ...started, rental_id: /"executor_id":"(\w+)"/.exec(body)?.[1] })
      }
      if (method === "DELETE") {
        const machine = url.split("/").at(-1) ?? ""
        counts.set(machine, (counts.get(machine) ?? 0) + 1)
        return onDelete(response, machine, counts.get(machine) ?? 0)
      }
      return json(response, 200, { rentals: [], total_count: 0 })
    }),
    scope
  ))
}

const conditions = ["basilica-sdk-source"]

/** The program as one file, made for no runtime in particular. */
const bundled = async (contents: string): Promise<string> => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    write: false,
    platform: "neutral",
    conditions,
    format: "esm",
    logLevel: "silent"
  })
  return outputFiles[0]?.text ?? ""
}

/** Runs a program that holds a deployment and waits; resolves when it does. */
const holding = async (
  baseUrl: string,
  { make = async (program: string) => program, more = "" }: {
    readonly make?: (program: string) => Promise<string>
    readonly more?: string
  } = {}
): Promise<ChildProcess> => {
  const program = await make(`
    import { BasilicaClient } from "basilica-sdk/promise"
    const baseUrl = "${baseUrl}"
    const basilica = new BasilicaClient({ baseUrl, token: "t" })
    ${more}
    await using job = await basilica.deployments.scoped({ executorId: "e", image: "ubuntu", noSsh: true })
    console.log(job.id)
    await new Promise((resolve) => setTimeout(resolve, 60_000))
  `)
  const child = running(program)
  await once(child.stdout, "data")
  return child
}

/** Runs a program in a process of its own. */
const running = (program: string) => {
  const child = spawn(
    process.execPath,
    [...conditions.map((name) => `--conditions=${name}`), "--input-type=module"],
    { cwd: process.cwd(), stdio: "pipe" }
  )
  child.stdin.end(program)
  return child
}

/** Runs a program that holds a deployment to its end, and says how that was. */
const ended = async (baseUrl: string, last: string) => {
  const child = running(`
    import { BasilicaClient } from "basilica-sdk/promise"
    const basilica = new BasilicaClient({ baseUrl: "${baseUrl}", token: "t" })
    const job = await basilica.deployments.scoped({ executorId: "e", image: "ubuntu", noSsh: true })
    console.log(job.id)
    ${last}
  `)
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")])
  return { out, error, code: code as unknown }
}

describe("a process that holds a deployment", () => {
  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("stops it on %s, and ends by it", async (signal) => {
    const server = await start()
    const child = await holding(server.url)
    const ended = once(child, "exit")
    const said = once(child.stderr ?? assert.fail(), "data")
    child.kill(signal)
    assert.deepEqual(await ended, [null, signal])
    assert.match(
      String(await said),
      new RegExp(`${signal}: stops first deployment e\\. A second one ends this process`)
    )
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 1)
  })

  const config = (machine: string) => `{ executorId: "${machine}", image: "ubuntu", noSsh: true }`
  const follow = (client: string) =>
    `void (async () => { for await (const line of ${client}.deployments.logs("x", { follow: true })); })()`
  /** What else a program may do that fails meanwhile, and how the process ends. */
  const meanwhile: ReadonlyArray<
    readonly [what: string, program: string, end: readonly [number | null, string | null]]
  > = [
    ["a log is followed", follow("basilica"), [null, "SIGTERM"]],
    ["calls are made", "setInterval(() => basilica.deployments.list(), 1)", [null, "SIGTERM"]],
    [
      "a block ends whose stop is refused",
      `const block = async () => {
        await using job = await basilica.deployments.scoped(${config("refused")})
        await new Promise((resolve) => setTimeout(resolve, 300))
      }
      void block()`,
      [null, "SIGTERM"]
    ],
    [
      "another client is done",
      `const other = new BasilicaClient({ baseUrl, token: "t" })
      await other.deployments.scoped(${config("quick")})
      ${follow("other")}`,
      [null, "SIGTERM"]
    ],
    [
      "calls are given up by a signal",
      `const controller = new AbortController()
      process.on("SIGTERM", () => controller.abort())
      setInterval(() => basilica.deployments.list({}, { signal: controller.signal }), 20)`,
      [1, null]
    ]
  ]
  it.each(meanwhile)("stops it first where %s and nobody catches the end of that", async (_, more, end) => {
    const server = await start((response, machine, count) => {
      if (machine === "refused") return bare(response, 401)
      return machine === "e" && count === 1 ? bare(response, 503, { "retry-after": "1" }) : bare(response, 204)
    })
    const child = await holding(server.url, { more })
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    assert.deepEqual(await ended, [...end])
    const stops = server.received.filter(({ method, url }) => method === "DELETE" && url.endsWith("/e"))
    assert.lengthOf(stops, 2)
  })

  it("stops it in a bundle for any runtime too", async () => {
    const server = await start()
    const child = await holding(server.url, { make: bundled })
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    assert.deepEqual(await ended, [null, "SIGTERM"])
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 1)
  })

  const passing = (response: ServerResponse, machine: string, count: number) =>
    machine === "e" && count === 1 ? bare(response, 503, { "retry-after": "1" }) : bare(response, 204)
  const stopsOf = (server: ScriptedServer, machine: string) =>
    server.received.filter(({ method, url }) => method === "DELETE" && url.endsWith(`/${machine}`)).length

  it("stops it though the signal comes twice at once, as from a terminal and from npm", async () => {
    const server = await start(passing)
    const child = await holding(server.url)
    const ended = once(child, "exit")
    child.kill("SIGINT")
    await once(child.stderr ?? assert.fail(), "data")
    child.kill("SIGINT")
    child.kill("SIGHUP")
    assert.deepEqual(await ended, [null, "SIGINT"])
    assert.strictEqual(stopsOf(server, "e"), 2)
  })

  it("ends at once by a second signal, while a stop is not answered", async () => {
    const server = await start(() => undefined)
    const child = await holding(server.url)
    const ended = once(child, "exit")
    child.kill("SIGINT")
    await setTimeout(1200)
    child.kill("SIGINT")
    assert.deepEqual(await ended, [null, "SIGINT"])
  })

  it("stops first what is deployed while the rest is being stopped", async () => {
    const server = await start(passing)
    const child = await holding(server.url, {
      more: `process.once("SIGTERM", () => {
        const other = new BasilicaClient({ baseUrl, token: "t" })
        setTimeout(() => other.deployments.scoped(${config("late")}), 300)
      })`
    })
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    await ended
    assert.strictEqual(stopsOf(server, "e"), 2)
    assert.strictEqual(stopsOf(server, "late"), 1)
  })

  it("ends where the signal does not, as that of the first process of a container", async () => {
    const server = await start()
    const child = await holding(server.url, { more: "process.kill = () => true" })
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    assert.deepEqual(await ended, [143, null])
    assert.strictEqual(stopsOf(server, "e"), 1)
  })

  it("stops what two copies of the package hold, and ends", async () => {
    const server = await start()
    const copy = Buffer.from(await bundled("export { BasilicaClient } from \"basilica-sdk/promise\"")).toString(
      "base64"
    )
    const child = await holding(server.url, {
      more: `const { BasilicaClient: Other } = await import("data:text/javascript;base64,${copy}")
      await new Other({ baseUrl, token: "t" }).deployments.scoped(${config("other")})`
    })
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    assert.deepEqual(await ended, [null, "SIGTERM"])
    assert.deepEqual([stopsOf(server, "e"), stopsOf(server, "other")], [1, 1])
  })

  it("stops it and leaves the end to a program that listens itself", async () => {
    const server = await start()
    const child = await holding(server.url, {
      more: "process.on(\"SIGTERM\", () => setTimeout(() => process.exit(7), 500))"
    })
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    assert.deepEqual(await ended, [7, null])
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 1)
  })

  it.each([
    ["with its last line", ""],
    ["while it waits for what never comes", "await new Promise(() => {})"]
  ])("stops it at the end of the program, %s", async (_, last) => {
    const server = await start((response, _machine, count) =>
      count === 1 ? bare(response, 503, { "retry-after": "1" }) : bare(response, 204)
    )
    const { code, error, out } = await ended(server.url, last)
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 2)
    assert.match(error, /WARN.*the end of the program: stops first deployment e\./)
    assert.strictEqual(out, "e\n")
    assert.strictEqual(code, last === "" ? 0 : 13)
  })

  it("fails where a stop at the end of the program is not certain", async () => {
    const server = await start((response) => bare(response, 401))
    const { code, error } = await ended(server.url, "")
    assert.match(error, /ERROR.*nothing proves that deployment e has stopped/)
    assert.strictEqual(code, 1)
  })

  it.each([
    ["an error that nobody catches", "throw new Error(\"lost\")", 1],
    ["process.exit", "process.exit(3)", 3]
  ])("says what runs on after %s", async (_, last, expected) => {
    const server = await start()
    const { code, error } = await ended(server.url, last)
    assert.match(error, /ERROR.*the process ends before deployment e is stopped: it may run on, and be billed\./)
    assert.strictEqual(code, expected)
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 0)
  })

  it("says nothing at the end of a program that has stopped it", async () => {
    const server = await start()
    const { code, error } = await ended(server.url, "await basilica.close()")
    assert.strictEqual(error, "")
    assert.strictEqual(code, 0)
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 1)
  })
})
