import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { local, request } from "./Harness.ts"

const corsHeaders = (headers: object) => Object.keys(headers).filter((name) => name.startsWith("access-control-"))

describe("a web page", () => {
  const hosts = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:80",
    "evil.example@127.0.0.1",
    "127.0.0.2",
    "0.0.0.0",
    "[::]",
    "127.1",
    "127.0.0.1:",
    "localhost:80:80"
  ]
  for (const host of hosts) {
    it.live(`whose name "${host}" was pointed here gets a bare 403, even with the token`, () =>
      Effect.gen(function*() {
        const { token, url } = yield* local()
        for (const path of ["/health", "/executors", "/openapi.json", "/docs", "/activate", "/oauth/token"]) {
          const { status, text } = yield* request(url + path, { headers: { host, authorization: token } })
          assert.deepStrictEqual([status, text], [403, ""])
        }
      }))
  }

  it.live("that says no name at all gets a 403 too", () =>
    Effect.gen(function*() {
      const { url } = yield* local()
      const reply = yield* Effect.callback<string>((resume) => {
        let text = ""
        Net.connect(Number(new URL(url).port), "127.0.0.1")
          .on("data", (data) => text += data)
          .on("close", () => resume(Effect.succeed(text)))
          .write("GET /health HTTP/1.0\r\n\r\n")
      })
      assert.match(reply, /^HTTP\/1\.1 403 /)
    }))

  it.live("reaches the server by the names of the loopback alone", () =>
    Effect.gen(function*() {
      const { url } = yield* local()
      for (const host of ["127.0.0.1", "127.0.0.1:1", "localhost", "LOCALHOST:65535", "[::1]", "[::1]:80"]) {
        assert.strictEqual((yield* request(`${url}/health`, { headers: { host } })).status, 200)
      }
    }))

  it.live("of another origin is refused, and its preflight gets no leave", () =>
    Effect.gen(function*() {
      const { token, url } = yield* local()
      for (
        const origin of [
          "https://evil.example",
          "null",
          "http://localhost:5173",
          url.replace("http", "https"),
          `${url}1`
        ]
      ) {
        for (const method of ["GET", "POST", "OPTIONS"]) {
          const { headers, status, text } = yield* request(`${url}/rentals`, {
            method,
            headers: { origin, authorization: token, "access-control-request-method": "POST" }
          })
          assert.deepStrictEqual([status, text, corsHeaders(headers)], [403, "", []])
        }
      }
    }))

  it.live("of the server's own may use it, and nothing speaks of other origins", () =>
    Effect.gen(function*() {
      const { token, url } = yield* local()
      const { headers, status } = yield* request(`${url}/rentals`, { headers: { origin: url, authorization: token } })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(corsHeaders(headers), [])
    }))

  it.live("of an origin that was let in gets what a browser asks for, and no other does", () =>
    Effect.gen(function*() {
      const origin = "http://localhost:5173"
      const { token, url } = yield* local({ cors: [origin] })
      const preflight = yield* request(`${url}/rentals`, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" }
      })
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers["access-control-allow-origin"], origin)
      assert.match(String(preflight.headers["access-control-allow-methods"]), /POST/)
      assert.match(String(preflight.headers["access-control-allow-headers"]), /authorization/)
      const reply = yield* request(`${url}/rentals`, { headers: { origin, authorization: token } })
      assert.strictEqual(reply.status, 200)
      assert.strictEqual(reply.headers["access-control-allow-origin"], origin)
      assert.strictEqual((yield* request(`${url}/rentals`, { headers: { origin, authorization: "none" } })).status, 401)
      const other = yield* request(`${url}/rentals`, {
        headers: { origin: "http://localhost:5174", authorization: token }
      })
      assert.deepStrictEqual([other.status, corsHeaders(other.headers)], [403, []])
    }))

  it.live("that may use the server still cannot confirm a sign-in", () =>
    Effect.gen(function*() {
      const origin = "http://localhost:5173"
      const { url } = yield* local({ cors: [origin], deviceSignIn: true })
      const headers = (from: string) => ({ origin: from, "content-type": "application/x-www-form-urlencoded" })
      const post = (from: string) => request(`${url}/activate`, { method: "POST", headers: headers(from) })
      assert.strictEqual((yield* post(origin)).status, 403)
      assert.strictEqual((yield* post("https://evil.example")).status, 403)
      // The server's own page gets as far as its form, which is empty.
      assert.strictEqual((yield* post(url)).status, 400)
    }))
})
