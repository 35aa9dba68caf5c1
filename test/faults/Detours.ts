import { Effect, type Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Tls from "node:tls"
import { buildConnector } from "undici"
import type { Detour } from "./kinds.ts"

/** Where connections are led astray: ports of this machine at which nothing good happens. */
export interface Detours {
  /** A connector for undici that leads connections astray for as long as `astray` says so. */
  readonly connector: (detour: Detour, astray: (count: number) => boolean) => buildConnector.connector
}

/** A key and a certificate for `localhost` that nobody trusts. */
export const selfSigned = (): { readonly key: string; readonly cert: string } => {
  const directory = mkdtempSync(join(tmpdir(), "basilica-certificate-"))
  try {
    const [key, cert] = [join(directory, "key"), join(directory, "cert")]
    const names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    const how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    execFileSync("openssl", how.split(" ").concat("-addext", names, "-keyout", key, "-out", cert), { stdio: "ignore" })
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A port that takes no connection and refuses none: its process is stopped, and its queue is full. */
export const blackHole: Effect.Effect<number, never, Scope.Scope> = Effect.gen(function*() {
  const program = `const server = require("node:net").createServer(() => {})
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
  require("node:fs").writeSync(1, String(server.address().port))
  process.kill(process.pid, "SIGSTOP")
})`
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })),
    (running) => Effect.sync(() => running.kill("SIGKILL"))
  )
  const [output] = yield* Effect.promise(() => once(child.stdout, "data"))
  const port = Number(String(output))
  const fillers = Array.from({ length: 8 }, () => Net.connect(port, "127.0.0.1").on("error", () => {}))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const filler of fillers) filler.destroy()
    })
  )
  yield* Effect.sleep("100 millis")
  return port
})

const listening = (server: Net.Server) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
    }),
    () => Effect.sync(() => server.close())
  )

export const detours: Effect.Effect<Detours, never, Scope.Scope> = Effect.gen(function*() {
  const closed = yield* Effect.scoped(listening(Net.createServer()))
  const hole = yield* blackHole
  const untrusted = yield* listening(
    Tls.createServer(selfSigned(), (socket) => socket.destroy()).on("tlsClientError", (_, socket) => socket.destroy())
  )
  const resetting = yield* listening(
    Net.createServer((socket) => socket.on("error", () => {}).once("data", () => socket.resetAndDestroy()))
  )
  const { signal } = yield* Effect.acquireRelease(
    Effect.sync(() => new AbortController()),
    (controller) => Effect.sync(() => controller.abort())
  )
  const straight = buildConnector({
    timeout: 30_000,
    signal,
    // What the system's resolver answers for a name that is not there, without asking anybody outside of this machine.
    lookup: (hostname, _, callback) =>
      callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: "ENOTFOUND" }), "", 4)
  })
  const targets: Record<Detour, Partial<buildConnector.Options>> = {
    "nowhere by name": { hostname: "name.invalid", host: "name.invalid:80", port: "80" },
    "a closed port": { port: String(closed) },
    "a black hole": { port: String(hole) },
    "a bad certificate": { protocol: "https:", port: String(untrusted), servername: "localhost" },
    "a reset handshake": { protocol: "https:", port: String(resetting), servername: "localhost" }
  }
  return {
    connector: (detour, astray) => {
      let count = 0
      return (options, callback) => straight(astray(++count) ? { ...options, ...targets[detour] } : options, callback)
    }
  }
})
