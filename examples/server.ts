// A web server in front of Basilica: one client for the whole process, and work that ends when the browser goes away.
//
//   POST   /jobs             deploys a training job, answers its id
//   GET    /jobs/{id}/logs   streams its log as it is written
//   DELETE /jobs/{id}        stops it
//
//   npx node --conditions=basilica-sdk-source examples/server.ts   in the repository
//   node examples/server.ts   in a copy of this folder, beside an installed basilica-sdk
//
// It starts the server, uses it once from the outside, and ends.
import { BasilicaClient, type BasilicaClientOptions, isBasilicaError } from "basilica-sdk/promise"
import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { connect } from "./support/connect.ts"
import { printable } from "./support/printable.ts"
import { nodeProgram } from "./support/program.ts"

/** The client belongs to the process, not to a request: it holds the connections. */
const makeHandler = (options: BasilicaClientOptions) => {
  const basilica = new BasilicaClient(options)

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController()
    response.on("close", () => gone.abort())
    const { signal } = gone
    const [, jobs, id, logs] = (request.url ?? "").split("/")

    if (request.method === "POST" && jobs === "jobs" && id === undefined) {
      // Where the browser leaves during this call, what comes back is stopped: nobody would know of it.
      const job = await basilica.deployments.deploy({
        gpu: { count: 1 },
        image: "node:24-slim",
        command: nodeProgram("train.mjs"),
        environment: { EPOCHS: "1000", PAUSE_MS: "50" },
        noSsh: true
      }, { signal })
      response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify({ id: job.id }))
    } else if (request.method === "GET" && jobs === "jobs" && id !== undefined && logs === "logs") {
      for await (const { message } of basilica.deployments.logs(id, { follow: true, signal })) {
        if (!response.headersSent) response.writeHead(200, { "content-type": "text/plain; charset=utf-8" })
        // A slow browser makes the loop wait, and the loop makes the service wait: nothing piles up in memory.
        if (!response.write(`${message}\n`)) await once(response, "drain", { signal })
      }
      response.end()
    } else if (request.method === "DELETE" && jobs === "jobs" && id !== undefined) {
      await basilica.deployments.stop(id)
      response.writeHead(204).end()
    } else {
      response.writeHead(404).end()
    }
  }

  const answerError = (error: unknown, response: ServerResponse): void => {
    if (response.destroyed) return console.log("server: the browser went away, and its log with it")
    const tag = isBasilicaError(error) ? error._tag : "Error"
    const status = tag === "ConfigurationError" ? 400 : tag === "NotFound" ? 404 : 502
    if (response.headersSent) response.destroy()
    else response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error: tag }))
  }

  return {
    listener: (request: IncomingMessage, response: ServerResponse): void => {
      handle(request, response).catch((error: unknown) => answerError(error, response))
    },
    close: () => basilica.close()
  }
}

const connection = await connect() // the one of your environment, or one on this machine
const handler = makeHandler(connection.options)
const server = createServer(handler.listener).listen(0, "127.0.0.1")
await once(server, "listening")
const { port } = server.address() as AddressInfo
const jobs = `http://127.0.0.1:${port}/jobs`

try {
  // From here on this is the browser.
  const created = await fetch(jobs, { method: "POST" })
  const { id } = await created.json() as { readonly id: string }
  console.log(`browser: POST /jobs, ${created.status} ${id}`)

  try {
    const log = await fetch(`${jobs}/${id}/logs`)
    let text = ""
    for await (const part of log.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += part
      if (text.split("\n").length > 5) break // which closes the connection
    }
    console.log(
      `browser: GET /jobs/{id}/logs, ${log.status}\n${
        text.trimEnd().split("\n").map((one) => `  ${printable(one)}`).join("\n")
      }`
    )
    assert.match(text, /^500 points/)
  } finally {
    const stopped = await fetch(`${jobs}/${id}`, { method: "DELETE" })
    console.log(`browser: DELETE /jobs/{id}, ${stopped.status}`)
    assert.equal(stopped.status, 204)
  }
  const missing = await fetch(`${jobs}/${id}/logs`)
  console.log(`browser: GET /jobs/{id}/logs, ${missing.status} ${await missing.text()}`)
  assert.equal(missing.status, 404)
} finally {
  server.close()
  server.closeAllConnections()
  await handler.close()
  await connection.close()
}
