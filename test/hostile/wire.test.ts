import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { inspect } from "node:util"
import { atOnce } from "../support/client.ts"
import { timed } from "../support/MachineTime.ts"
import { patience } from "../support/Scale.ts"
import { operations, token, transports } from "./Victim.ts"

/** A server that answers each request with these very bytes. */
const speaking = (answer: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {}).on("close", () => sockets.delete(socket)).once("data", () => answer(socket))
      })
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          close: () => {
            for (const socket of sockets) socket.destroy()
            server.close()
          }
        })))
    }),
    ({ close }) => Effect.sync(close)
  )

const body = "{\"available_executors\":[],\"rentals\":[],\"total_count\":0}"
const head = (status: string, ...headers: ReadonlyArray<string>) =>
  `HTTP/1.1 ${status}\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n`
const ok = (...headers: ReadonlyArray<string>) => head("200 OK", ...headers, `content-length: ${body.length}`) + body
const chunked = (rest: string) => head("200 OK", "transfer-encoding: chunked") + rest

const replies: Readonly<Record<string, string>> = {
  "a length that is too long": head("200 OK", "content-length: 1000") + body,
  "a length that is too short": head("200 OK", "content-length: 10") + body,
  "two lengths": head("200 OK", "content-length: 10", `content-length: ${body.length}`) + body,
  "a negative length": head("200 OK", "content-length: -1") + body,
  "a length beyond numbers": head("200 OK", `content-length: ${"9".repeat(30)}`) + body,
  "a length that is no number": head("200 OK", "content-length: 0x10") + body,
  "a length and chunks": head("200 OK", "content-length: 3", "transfer-encoding: chunked") + "2\r\n{}\r\n0\r\n\r\n",
  "a bad chunk": chunked("ZZ\r\n{}\r\n0\r\n\r\n"),
  "a chunk beyond numbers": chunked(`${"F".repeat(20)}\r\n{}`),
  "a cut chunk": chunked("100\r\n{"),
  "a huge extension of a chunk": chunked(`2;${"a".repeat(100_000)}\r\n{}\r\n0\r\n\r\n`),
  "trailers": chunked("2\r\n{}\r\n0\r\n__proto__: x\r\nconstructor: y\r\n\r\n"),
  "headers of the prototype": ok(
    "__proto__: x",
    "__proto__: y",
    "constructor: x",
    "toString: x",
    "then: x",
    "hasOwnProperty: x"
  ),
  "5,000 headers": ok(...Array.from({ length: 5000 }, (_, index) => `x-${index}: y`)),
  "a header of 64 KiB": ok(`x: ${"a".repeat(65_536)}`),
  "a header without a name": ok(": x"),
  "a folded header": ok("x: a", " b"),
  "a header with a NUL": ok("x: a\0b"),
  "10,000 early hints": head("103 Early Hints", "link: x").repeat(10_000) + ok(),
  "10,000 continues": head("100 Continue").repeat(10_000) + ok(),
  "a switch of protocols": head("101 Switching", "upgrade: websocket", "connection: upgrade") + "x",
  "status 000": head("000 Nothing", "content-length: 0"),
  "status 099": head("099 Less", "content-length: 0"),
  "status 999": head("999 More", "content-length: 2") + "{}",
  "status 1000": head("1000 Too long"),
  "status -1": head("-1 Negative"),
  "204 with a body": head("204 No Content", "content-length: 5") + "hello",
  "205 with a body": head("205 Reset", "content-length: 5") + "hello",
  "304": head("304 Not Modified"),
  "200 encodings": ok(`content-encoding: ${Array(200).fill("gzip").join(", ")}`),
  "an encoding that it is not in": ok("content-encoding: gzip"),
  "an encoding that nobody knows": ok("content-encoding: ../x"),
  "a transfer coding that nobody knows": head("200 OK", "transfer-encoding: gzip") + body,
  "bare line feeds": ok().replaceAll("\r\n", "\n"),
  "NULs": "\0".repeat(100),
  "no head at all": body,
  "another protocol": "220 smtp.example ESMTP\r\n",
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "HTTP/9.9": ok().replace("1.1", "9.9"),
  "nothing": "",
  "a type that is no type": ok("content-type: \x9b31m"),
  "bytes that are not UTF-8": head("200 OK", "content-length: 4") + "\xff\xfe\xc3\x28",
  "a mark before the JSON": head("200 OK", `content-length: ${body.length + 3}`) + "\xef\xbb\xbf" + body
}

const tags = [
  "ApiError",
  "AuthenticationError",
  "AuthorizationError",
  "DeploymentError",
  "DeployOutcomeUnknown",
  "InvalidResponse",
  "NetworkError",
  "NotFound",
  "RateLimited",
  "StopUnconfirmed",
  "TimeoutError"
]

describe("a server that breaks HTTP", () => {
  for (const [label, connect] of transports) {
    it.live(
      `by ${Object.keys(replies).length} ways gets a typed error or is understood, over ${label}`,
      () =>
        Effect.forEach(Object.entries(replies), ([name, reply]) =>
          Effect.scoped(Effect.gen(function*() {
            const server = yield* speaking((socket) => socket.end(Buffer.from(reply, "latin1")))
            const layer = connect({
              baseUrl: server.url,
              token,
              retry: atOnce,
              timeout: "1 second",
              deployTimeout: "200 millis"
            })
            const [millis] = yield* timed(Effect.forEach(operations, ({ name: operation, run }) =>
              Effect.gen(function*() {
                const exit = yield* Effect.exit(Effect.provide(run, layer))
                if (Exit.isSuccess(exit)) return
                const error = Cause.squash(exit.cause)
                assert.isFalse(Cause.hasDies(exit.cause), `${name}, ${operation}: ${inspect(error)}`)
                assert.include(tags, (error as { readonly _tag: string })._tag, name)
                assert.notMatch((error as Error).message, /[\p{Cc}\p{Cf}]/u)
              }), { concurrency: 4 }))
            assert.isBelow(millis, 10_000, name)
          })), { concurrency: 2 }),
      patience
    )
  }

  const slow: Readonly<Record<string, (socket: Socket) => void>> = {
    "never answers": () => {},
    "drips its head": (socket) => drip(socket, ok()),
    "drips early hints": (socket) => drip(socket, head("103 Early Hints", "link: x").repeat(100), 20),
    "drips its body": (socket) => drip(socket, body.repeat(100), 1, head("200 OK", "content-length: 99999")),
    "drips the body of an error": (socket) =>
      drip(socket, body.repeat(100), 1, head("400 No", "content-length: 99999")),
    "drips the body of a 401": (socket) => drip(socket, body.repeat(100), 1, head("401 No", "content-length: 99999")),
    "stops after its head": (socket) => socket.write(head("200 OK", "content-length: 99")),
    "stops within a chunk": (socket) => socket.write(chunked("5\r\n{"))
  }
  for (const [label, connect] of transports) {
    it.live(
      `by being slow in any phase costs no more than the deadline, over ${label}`,
      () =>
        Effect.forEach(Object.entries(slow), ([name, answer]) =>
          Effect.scoped(Effect.gen(function*() {
            const server = yield* speaking(answer)
            const layer = connect({
              baseUrl: server.url,
              token,
              retry: atOnce,
              timeout: "300 millis",
              deployTimeout: "300 millis"
            })
            yield* Effect.forEach(
              operations.filter(({ path }) => !path.endsWith("/logs")),
              ({ name: operation, run }) =>
                Effect.gen(function*() {
                  const [millis, exit] = yield* timed(Effect.exit(Effect.provide(run, layer)))
                  assert.isTrue(Exit.isFailure(exit) && !Cause.hasDies(exit.cause), name)
                  assert.isBelow(millis, 2500, `${name}, ${operation}`)
                }),
              { concurrency: "unbounded" }
            )
          })), { concurrency: 2 }),
      patience
    )
  }
})

const drip = (socket: Socket, text: string, size = 1, before = "") => {
  socket.write(before)
  let at = 0
  const timer = setInterval(() => {
    socket.write(text.slice(at, at += size))
    if (at >= text.length) clearInterval(timer)
  }, 20)
  socket.on("close", () => clearInterval(timer))
}
