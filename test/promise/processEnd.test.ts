import { Effect, Exit, Scope } from "effect"
import { build } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { afterEach, assert, describe, it } from "vitest"
import { bare, json, rentalId, type ScriptedServer, scriptedServer, started } from "../support/ScriptedServer.ts"

const closing: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const start = async (): Promise<ScriptedServer> => {
  const scope = Scope.makeUnsafe()
  closing.push(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.runPromise(Scope.provide(
    scriptedServer((response, { method, url }) => {
      if (url.includes("/logs")) return response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
      if (method === "POST") return json(response, 200, started)
      if (method === "DELETE") return bare(response, 204)
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
    const basilica = new BasilicaClient({ baseUrl: "${baseUrl}", token: "t" })
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
      new RegExp(`${signal}: stops first deployment ${rentalId}\\. A second one ends this process`)
    )
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 1)
  })

  it("stops it first where a call is under way that nobody catches the end of", async () => {
    const server = await start()
    const follow = "for await (const { message } of basilica.deployments.logs(\"rental-1\", { follow: true }));"
    const again = "setInterval(() => basilica.deployments.list(), 1)"
    for (const more of [`void (async () => { ${follow} })()`, again]) {
      const child = await holding(server.url, { more })
      const ended = once(child, "exit")
      child.kill("SIGTERM")
      assert.deepEqual(await ended, [null, "SIGTERM"])
    }
    assert.strictEqual(server.received.filter(({ method }) => method === "DELETE").length, 2)
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
