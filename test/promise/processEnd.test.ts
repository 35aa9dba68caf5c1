import { Effect, Exit, Scope } from "effect"
import { build } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import type { ServerResponse } from "node:http"
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
  { make = async (text: string) => text, more = "" }: {
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
  const child = spawn(
    process.execPath,
    [...conditions.map((name) => `--conditions=${name}`), "--input-type=module"],
    { cwd: process.cwd(), stdio: "pipe" }
  )
  child.stdin.end(program)
  await once(child.stdout, "data")
  return child
}

describe("a process that holds a deployment", () => {
  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("stops it on %s, and ends by it", async (signal) => {
    const server = await start()
    const child = await holding(server.url)
    const ended = once(child, "exit")
    const said = once(child.stdout ?? assert.fail(), "data")
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
})
