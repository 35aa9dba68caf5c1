/**
 * The service as the benches see it, in a process of its own: the state of a deployment, a list of executors, and logs:
 * three that end, one without an end, and one that gets a line a second. What can be is made before the first request, so
 * that it is the client that is measured.
 */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { executors, logs, rental } from "./Fixtures.ts"

const json = (value: unknown) => {
  const body = Buffer.from(JSON.stringify(value))
  return (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
    response.end(body)
  }
}

const begin = (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked" })
  response.flushHeaders()
  return response.socket
}

/** Sends a log. The frames of the chunked encoding are written here: through Node, each would cost as much as a line. */
const log = (frames: Buffer, rounds = 1) => (response: ServerResponse) => {
  const socket = begin(response)
  let at = 0
  let left = rounds
  const write = (): void => {
    while (socket !== null && !socket.destroyed && left > 0) {
      const written = socket.write(frames.subarray(at, at += 65_536))
      if (at >= frames.length) {
        at = 0
        left--
      }
      if (!written) return void socket.once("drain", write)
    }
    response.end()
  }
  write()
}

const frames = (chunks: ReadonlyArray<Buffer>) =>
  Buffer.concat(
    chunks.flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")])
  )

/** Those who follow a log that gets a line a second, in groups that take turns. */
const groups = Array.from({ length: 50 }, () => new Set<ServerResponse>())
let turn = 0
setInterval(() => {
  turn++
  const data = { message: `step ${turn} loss 0.123456`, stream: "stdout", timestamp: new Date().toISOString() }
  const event = `data:${JSON.stringify(data)}\n\n`
  for (const follower of groups[turn % groups.length] ?? []) follower.write(event)
}, 1000 / groups.length)

let joined = 0
const live = (response: ServerResponse) => {
  begin(response)
  const group = groups[joined++ % groups.length]
  group?.add(response)
  response.once("close", () => group?.delete(response))
}

/** Whose bytes are counted: the connections of endless logs, by path. */
const endless = new Map<string, Socket>()
const endlessLog = log(frames(logs.whole.chunks()), Infinity)

const routes = new Map<string, (response: ServerResponse) => void>([
  ["/rentals/running", json(rental)],
  ["/executors", json(executors)],
  ["/rentals/live/logs", live],
  ...Object.entries(logs).map(([form, { chunks }]) => [`/rentals/${form}/logs`, log(frames(chunks()))] as const)
])

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost")
  const route = routes.get(pathname)
  if (route !== undefined) return route(response)
  if (/^\/rentals\/endless-\d+\/logs$/.test(pathname)) {
    endless.set(pathname, request.socket)
    return endlessLog(response)
  }
  // A log whose deployment is gone has ended.
  response.writeHead(404).end()
})

process.once("disconnect", () => process.exit())
// Asked for a path, it says how many bytes have left it.
process.on("message", (path: string) => {
  const socket = endless.get(path)
  process.send?.(socket === undefined ? 0 : socket.bytesWritten - socket.writableLength)
})
server.listen(0, "127.0.0.1", () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
