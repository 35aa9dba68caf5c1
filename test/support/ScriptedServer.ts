import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"

/** A request as it came in. */
interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/** A real HTTP server on loopback that answers as a test says, and remembers what it was asked. */
export interface ScriptedServer {
  readonly url: string
  readonly received: Array<Received>
  /** How many connections are open. */
  readonly connections: () => number
  /** Resolves when no connection is open any more. */
  readonly allClosed: Effect.Effect<void>
}

/** Answers the request; the number counts the requests so far, from 1. */
export type Answer = (response: ServerResponse, request: Received, count: number) => void

export const scriptedServer = (answer: Answer, port = 0): Effect.Effect<ScriptedServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ScriptedServer & { readonly close: () => void }>((resume) => {
      const received: Array<Received> = []
      const sockets = new Set<Socket>()
      const waiting = new Set<() => void>()
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const { headers, method = "", url = "" } = request
          const one = { method, url, headers, body: Buffer.concat(chunks).toString() }
          received.push(one)
          answer(response, one, received.length)
        })
      })
      server.on("connection", (socket: Socket) => {
        sockets.add(socket)
        socket.on("close", () => {
          sockets.delete(socket)
          if (sockets.size === 0) { for (const wake of waiting) wake() }
        })
      })
      server.listen(port, "127.0.0.1", () => {
        resume(Effect.succeed({
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          received,
          connections: () => sockets.size,
          allClosed: Effect.callback<void>((done) => {
            if (sockets.size === 0) return done(Effect.void)
            waiting.add(() => done(Effect.void))
          }),
          close: () => {
            for (const socket of sockets) socket.destroy()
            server.close()
          }
        }))
      })
    }),
    (server) => Effect.sync(server.close)
  )

/** Answers with JSON. */
export const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(body))
}

/** Answers with the service's own error type. */
export const envelope = (response: ServerResponse, status: number, code: string, message: string, retryable = false) =>
  json(response, status, { error: { code, message, timestamp: "2025-09-20T12:34:56.123456789Z", retryable } })

/** Answers with a status and nothing else. */
export const bare = (response: ServerResponse, status: number, headers: Record<string, string> = {}) => {
  response.writeHead(status, headers)
  response.end()
}

/** An event of a log as the service writes it. */
export const logEvent = (message: string, stream = "stdout", timestamp = "2025-09-20T12:00:00.123456789Z") =>
  `data:${JSON.stringify({ message, stream, timestamp })}\n\n`

export const rentalId = "rental-3d6f0b0e-1c1f-4f0e-9d55-0f5b1c0d7a11"

/** A good reply of `POST /rentals`. */
export const started = {
  rental_id: rentalId,
  ssh_credentials: "root@84.200.81.243:32776",
  container_info: {
    container_id: "9c1d",
    container_name: "basilica-rental-1",
    mapped_ports: [
      { container_port: 22, host_port: 32776, protocol: "tcp" },
      { container_port: 22, host_port: 32776, protocol: "tcp" }
    ],
    status: "running",
    labels: {}
  }
}

/** A good reply of `GET /rentals/{id}`. */
export const rental = (status: string) => ({
  rental_id: rentalId,
  status,
  executor: {
    id: "2f0c6a3e",
    gpu_specs: [],
    cpu_specs: { cores: 0, model: "Unknown", memory_gb: 0 },
    location: null
  },
  ssh_credentials: "root@1.2.3.4:32776",
  created_at: "2025-09-20T12:00:00.123456789Z",
  updated_at: "2025-09-20T12:00:00.123456789Z"
})

/** An item of `GET /rentals`. */
export const rentalItem = (state: string, more: Record<string, unknown> = {}) => ({
  rental_id: rentalId,
  executor_id: "2f0c6a3e",
  container_id: "9c1d",
  state,
  created_at: "2025-09-20T12:00:00.123456789+00:00",
  miner_id: "miner_42",
  container_image: "ubuntu:24.04",
  gpu_specs: [],
  has_ssh: true,
  ...more
})
