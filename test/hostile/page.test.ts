import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as Net from "node:net"
import process from "node:process"
import { local, request } from "../local/Harness.ts"
import { collect, timed } from "../support/MachineTime.ts"
import { patience } from "../support/Scale.ts"

/** What a server says to these very bytes, until it closes or has nothing more to say. */
const raw = (url: string, text: string | Buffer, millis = 20_000) =>
  Effect.callback<string>((resume) => {
    let reply = ""
    const socket = Net.connect(Number(new URL(url).port), "127.0.0.1")
    const timer = setTimeout(() => socket.destroy(), millis)
    socket.on("data", (data) => reply += data.toString("latin1"))
    socket.on("error", () => {})
    socket.on("close", () => {
      clearTimeout(timer)
      resume(Effect.succeed(reply))
    })
    socket.write(text)
  })

const statusOf = (reply: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(reply)?.[1] ?? 0)

const line = (method: string, target: string, headers: Readonly<Record<string, string>>, body = "") =>
  `${method} ${target} HTTP/1.1\r\n${
    Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }` +
  `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`

const command = JSON.stringify({
  executor_selection: { type: "gpu_requirements", gpu_requirements: { min_memory_gb: 0, gpu_count: 0 } },
  container_image: "ubuntu:24.04",
  ssh_public_key: "ssh-ed25519 AAAA me@host",
  no_ssh: true,
  command: ["touch", "/tmp/owned"]
})

/** A server to attack. Nothing may run on it at the end, and it must still answer. */
const victim = <A>(
  attack: (server: Effect.Success<ReturnType<typeof local>> & { readonly host: string }) => Effect.Effect<
    A,
    never,
    Scope.Scope
  >
) =>
  Effect.gen(function*() {
    const server = yield* local()
    yield* attack({ ...server, host: new URL(server.url).host })
    assert.deepStrictEqual(yield* server.running, [])
    assert.strictEqual((yield* request(`${server.url}/health`)).status, 200)
  })

describe("a page in a browser on this machine", () => {
  it.live("gets nowhere by the name that it has, in any spelling of Host", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        const port = new URL(url).port
        const hosts = [
          "evil.example",
          `evil.example:${port}`,
          `${host}.evil.example`,
          `127.0.0.1.evil.example:${port}`,
          `127.0.0.1:${port}@evil.example`,
          `evil.example@127.0.0.1:${port}`,
          `localhost.:${port}`,
          `localhost.evil.example:${port}`,
          `evil-localhost:${port}`,
          `${host}, evil.example`,
          `${host} evil.example`,
          `${host}/`,
          `${host}#`,
          `${host}?`,
          `127.1:${port}`,
          `127.0.0.2:${port}`,
          `0x7f.0.0.1:${port}`,
          `2130706433:${port}`,
          `0:${port}`,
          `0.0.0.0:${port}`,
          `[::ffff:127.0.0.1]:${port}`,
          `[0:0:0:0:0:0:0:1]:${port}`,
          `[::]:${port}`,
          `[::1%25lo]:${port}`,
          `127.0.0.1:${port}0000`,
          "127.0.0.1:-1",
          "null",
          "*",
          ""
        ]
        yield* Effect.forEach(hosts, (name) =>
          Effect.gen(function*() {
            for (const [method, body] of [["GET", ""], ["POST", command]] as const) {
              const headers = { host: name, authorization: `Bearer ${token}`, "content-type": "application/json" }
              const reply = yield* raw(url, line(method, "/rentals", headers, body))
              assert.include([400, 403], statusOf(reply), `${method} for "${name}"`)
              assert.notInclude(reply.toLowerCase(), "access-control-")
            }
          }), { concurrency: 8 })
      })
    ))

  it.live("gets nowhere by the origin that it has, in any spelling", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        const port = new URL(url).port
        const origins = [
          "https://evil.example",
          "null",
          "",
          " ",
          "*",
          "file://",
          "chrome-extension://abcdef",
          "http://127.0.0.1",
          "http://127.0.0.1:1",
          `http://localhost:${port}`,
          `https://${host}`,
          `HTTP://${host}`,
          `http://${host}/`,
          `http://${host}.evil.example`,
          `http://evil.example/http://${host}`,
          `http://${host}@evil.example`,
          `http://evil.example, http://${host}`,
          `http://${host}, http://evil.example`,
          `http://${host} http://evil.example`
        ]
        yield* Effect.forEach(origins, (origin) =>
          Effect.gen(function*() {
            for (const method of ["GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT"]) {
              const headers = {
                host,
                origin,
                authorization: `Bearer ${token}`,
                "content-type": "application/json",
                "access-control-request-method": "POST",
                "access-control-request-private-network": "true"
              }
              const reply = yield* raw(url, line(method, "/rentals", headers, method === "POST" ? command : ""))
              assert.strictEqual(statusOf(reply), 403, `${method} from "${origin}"`)
              assert.notInclude(reply.toLowerCase(), "access-control-")
            }
          }), { concurrency: 8 })
      })
    ))

  it.live("starts nothing with what it can send without a preflight", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]) {
          const simple = { host, "content-type": type }
          assert.strictEqual(statusOf(yield* raw(url, line("POST", "/rentals", simple, command))), 401, type)
          const from = { ...simple, origin: "https://evil.example" }
          assert.strictEqual(statusOf(yield* raw(url, line("POST", "/rentals", from, command))), 403, type)
          // Not even with the token, which no page has: the type is not the one of JSON.
          const known = { ...simple, authorization: `Bearer ${token}` }
          assert.strictEqual(statusOf(yield* raw(url, line("POST", "/rentals", known, command))), 415, type)
        }
      })
    ))

  it.live("opens no socket", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        for (const protocol of ["websocket", "h2c", "TLS/1.0"]) {
          for (const extra of [{}, { origin: "https://evil.example" }, { authorization: `Bearer ${token}` }]) {
            const headers = {
              host,
              upgrade: protocol,
              connection: "Upgrade",
              "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
              "sec-websocket-version": "13",
              ...extra
            }
            const text = `GET /rentals HTTP/1.1\r\n${
              Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")
            }\r\n`
            const reply = yield* raw(url, text, 300)
            assert.notStrictEqual(statusOf(reply), 101)
            if (!("authorization" in extra)) assert.notInclude(reply, "\"rentals\"")
          }
        }
      })
    ))
})

describe("a program without the token", () => {
  it.live("gets nowhere with a token that is wrong in any way", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        const wrong = [
          "",
          "Bearer",
          "Bearer ",
          "Bearer null",
          `Bearer ${token.slice(0, -1)}`,
          `Bearer ${token}x`,
          `Bearer ${token.toUpperCase()}`,
          `bearer  ${token}`,
          `Basic ${Buffer.from(`:${token}`).toString("base64")}`,
          `Bearer ${token}, Bearer ${token}`,
          `Bearer ${token.replace("_", "%5F")}`,
          "Bearer basilica_",
          "Bearer __proto__",
          `Bearer ${"x".repeat(10_000)}`
        ]
        for (const authorization of wrong) {
          for (const [method, target] of [["GET", "/rentals"], ["POST", "/rentals"], ["GET", "/api-keys"]] as const) {
            const headers = { host, authorization, "content-type": "application/json" }
            const reply = yield* raw(url, line(method, target, headers, method === "POST" ? command : ""))
            assert.strictEqual(statusOf(reply), 401, `${method} with "${authorization.slice(0, 40)}"`)
            assert.notInclude(reply, token)
          }
        }
        assert.strictEqual(statusOf(yield* raw(url, line("GET", `/rentals?token=${token}`, { host }))), 401)
        assert.strictEqual(statusOf(yield* raw(url, line("GET", "/rentals", { host, cookie: `token=${token}` }))), 401)
      })
    ))

  it.live("gets nowhere by tricks with the path", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        const targets = [
          "//rentals",
          "/rentals/",
          "/RENTALS",
          "/./rentals",
          "/health/../rentals",
          "/health/%2e%2e/rentals",
          "/docs/../rentals",
          "/openapi.json/../rentals",
          "/rentals/..",
          "/rentals/%2e%2e%2fapi-keys",
          "/rentals/..%5capi-keys",
          "/rentals/%",
          "/rentals/%ff",
          "/rentals/%00",
          "/rentals/%zz/logs",
          "/rentals;x=1",
          "/rentals%20",
          "/%72entals",
          "/__proto__",
          "/constructor",
          "/rentals/__proto__",
          "/rentals/constructor/logs",
          `/rentals/${"x".repeat(5000)}`,
          "/../../etc/passwd",
          "/rentals/..%2f..%2f..%2fetc%2fpasswd/logs",
          "*",
          "http://evil.example/rentals",
          `http://${host}/rentals`,
          "evil.example:443",
          "?x",
          "/rentals?status=Active&status=Failed",
          "/rentals\\..\\health"
        ]
        for (const target of targets) {
          for (const method of ["GET", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "HEAD"]) {
            const without = yield* raw(url, line(method, target, { host }), 400)
            assert.include([0, 400, 401, 403, 404, 405, 414, 501], statusOf(without), `${method} ${target}`)
            const known = yield* raw(url, line(method, target, { host, authorization: `Bearer ${token}` }), 400)
            assert.notInclude([101, 500], statusOf(known), `${method} ${target}`)
            assert.notInclude(known, "root:")
          }
        }
      })
    ))

  it.live("that says no name, or speaks an old HTTP, is refused", () =>
    victim(({ token, url }) =>
      Effect.gen(function*() {
        const authorization = `authorization: Bearer ${token}\r\n`
        for (
          const [text, statuses] of [
            [`GET /rentals HTTP/1.0\r\n${authorization}\r\n`, [403]],
            [`GET /rentals HTTP/1.1\r\n${authorization}connection: close\r\n\r\n`, [400, 403]],
            ["GET /rentals\r\n\r\n", [400, 403]],
            [`GET /rentals HTTP/2.0\r\n${authorization}\r\n`, [400, 403, 505]],
            ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400, 505]],
            [`GET /rentals HTTP/1.1\r\nhost: evil.example\r\nhost: 127.0.0.1\r\n${authorization}\r\n`, [400, 403]],
            [`GET http://evil.example/rentals HTTP/1.1\r\nhost: evil.example\r\n${authorization}\r\n`, [400, 403]],
            ["\0\0\0\0", [0, 400]],
            ["\u0016\u0003\u0001\u0002", [0, 400]]
          ] as const
        ) {
          const reply = yield* raw(url, text, 500)
          assert.include(statuses as ReadonlyArray<number>, statusOf(reply), JSON.stringify(text.slice(0, 60)))
        }
      })
    ))

  it.live("cannot make it hold what is too large", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        const floods = [
          `x: ${"a".repeat(200_000)}\r\n`,
          Array.from({ length: 20_000 }, (_, index) => `x-${index}: y\r\n`).join("")
        ]
        for (const flood of floods) {
          const reply = yield* raw(url, `GET /rentals HTTP/1.1\r\nhost: ${host}\r\n${flood}\r\n`)
          assert.include([0, 431], statusOf(reply))
        }
        // A body that never ends: without the token it is not read, and with it no further than to the limit.
        collect()
        const before = process.memoryUsage.rss()
        const json = ["none", `Bearer ${token}`].flatMap((authorization) =>
          ["content-length: 104857600", "transfer-encoding: chunked"].map((length) => ({
            path: "/rentals",
            type: "application/json",
            authorization,
            length
          }))
        )
        const form = {
          path: "/oauth/token",
          type: "application/x-www-form-urlencoded",
          authorization: "none",
          length: "transfer-encoding: chunked"
        }
        for (const { authorization, length, path, type } of [...json, form]) {
          const reply = yield* Effect.callback<string>((resume) => {
            let text = ""
            let peak = before
            const socket = Net.connect(Number(new URL(url).port), "127.0.0.1")
            const timer = setTimeout(() => socket.destroy(), 30_000)
            const space = " ".repeat(65_536)
            const part = length.startsWith("transfer") ? `10000\r\n${space}\r\n` : space
            let left = (100 * 1024 * 1024) / part.length
            const more = () => {
              // What is held counts, and not what garbage lies about.
              if (process.memoryUsage.rss() - before > 48 * 1024 * 1024) collect()
              peak = Math.max(peak, process.memoryUsage.rss())
              let goesOn = true
              while (goesOn && left-- > 0 && !socket.destroyed) goesOn = socket.write(part)
              if (!goesOn) socket.once("drain", more)
            }
            socket.on("data", (data) => text += data.toString("latin1")).on("error", () => {}).on("close", () => {
              clearTimeout(timer)
              resume(Effect.sync(() => {
                assert.isBelow(peak - before, 64 * 1024 * 1024, `${authorization.slice(0, 6)} ${length}`)
                return text
              }))
            })
            const headers = `authorization: ${authorization}\r\ncontent-type: ${type}\r\n`
            socket.write(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\n${headers}${length}\r\n\r\n`)
            more()
          })
          const open = authorization !== "none" || path !== "/rentals"
          assert.include(open ? [0, 400, 413, 422] : [0, 401], statusOf(reply), `${path} ${length}`)
        }
      })
    ), patience)

  it.live("cannot keep others out by being slow", () =>
    victim(({ host, token, url }) =>
      Effect.gen(function*() {
        const sockets = yield* Effect.acquireRelease(
          Effect.sync(() =>
            Array.from({ length: 300 }, (_, index) => {
              const socket = Net.connect(Number(new URL(url).port), "127.0.0.1")
              socket.on("error", () => {})
              const starts = [
                "G",
                `GET /rentals HTTP/1.1\r\nhost: ${host}\r\nx: `,
                `POST /rentals HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n` +
                "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
              ]
              socket.write(starts[index % 3] ?? "")
              return socket
            })
          ),
          (all) => Effect.sync(() => all.forEach((socket) => socket.destroy()))
        )
        const drip = setInterval(() => sockets.forEach((socket) => socket.write(" ")), 50)
        yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(drip)))
        for (let round = 0; round < 20; round++) {
          const [millis, reply] = yield* timed(
            request(`${url}/rentals`, { headers: { authorization: `Bearer ${token}` } })
          )
          assert.strictEqual(reply.status, 200)
          assert.isBelow(millis, 1000)
        }
      })
    ), patience)
})
