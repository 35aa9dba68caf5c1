/**
 * The service as the benches see it, in a process of its own: the state of a deployment, a list of executors, and logs in
 * three forms. Everything is made before the first request, so that it is the client that is measured.
 */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { executors, logs, rental } from "./Fixtures.ts"

const json = (value: unknown) => {
  const body = Buffer.from(JSON.stringify(value))
  return (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
    response.end(body)
  }
}

/** Sends a log. The frames of the chunked encoding are written here: through Node, each would cost as much as a line. */
const log = (frames: Buffer) => (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked" })
  response.flushHeaders()
  const { socket } = response
  let at = 0
  const write = (): void => {
    while (socket !== null && !socket.destroyed && at < frames.length) {
      if (!socket.write(frames.subarray(at, at += 65_536))) return void socket.once("drain", write)
    }
    response.end()
  }
  write()
}

const frames = (chunks: ReadonlyArray<Buffer>) =>
  Buffer.concat(chunks.flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]))

const routes = new Map<string, (response: ServerResponse) => void>([
  ["/rentals/running", json(rental)],
  ["/executors", json(executors)],
  ...Object.entries(logs).map(([form, { chunks }]) => [`/rentals/${form}/logs`, log(frames(chunks()))] as const)
])

const server = createServer((request, response) => {
  const route = routes.get(new URL(request.url ?? "/", "http://localhost").pathname)
  if (route !== undefined) return route(response)
  // A log whose deployment is gone has ended.
  response.writeHead(404).end()
})
server.listen(0, "127.0.0.1", () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
