import { assert, describe, it } from "@effect/vitest"
import { ApiError, Basilica, Deployments, type LogOptions, LogStream } from "basilica-sdk"
import { Effect, Fiber, Layer, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import type { ServerResponse } from "node:http"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { against } from "../support/client.ts"
import {
  type Answer,
  bare,
  json,
  logEvent,
  rental,
  rentalId,
  rentalItem,
  scriptedServer
} from "../support/ScriptedServer.ts"

const follow = Stream.unwrap(LogStream.useSync((logStream) => logStream.follow(rentalId)))
/** A followed log that does not connect again. */
const followOnce = Stream.unwrap(LogStream.useSync((logStream) => logStream.follow(rentalId, { maxReconnects: 0 })))
const once = Stream.unwrap(Deployments.useSync((deployments) => deployments.logs(rentalId)))

/** Serves a log; the deployment is in this state afterwards. */
const logs = (write: (response: ServerResponse) => void, state = "terminated"): Answer => (response, { url }) => {
  if (!url.includes("/logs")) return json(response, 200, rental(state))
  response.writeHead(200, { "content-type": "text/event-stream" })
  return write(response)
}

/** What was read, and how it ended. */
const read = <E>(stream: Stream.Stream<{ readonly message: string }, E, LogStream | Deployments>, url: string) => {
  const messages: Array<string> = []
  return Stream.runForEach(stream, ({ message }) => Effect.sync(() => messages.push(message))).pipe(
    Effect.match({ onFailure: (error) => error, onSuccess: () => undefined }),
    Effect.map((error) => ({ messages, error })),
    against({ baseUrl: url })
  )
}

describe("LogStream", () => {
  it.live("gives every line as the service wrote it", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(logs((response) => {
        response.write(logEvent("first", "stdout", "2025-09-20T12:00:00.1Z"))
        response.write(logEvent("", "stderr"))
        response.end("data: {\"timestamp\":\"t\",\"stream\":\"console\",\"message\":\"with a space\"}\n\n")
      }))
      const entries = yield* Stream.runCollect(follow).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual([...entries], [
        { timestamp: "2025-09-20T12:00:00.1Z", stream: "stdout", message: "first" },
        { timestamp: "2025-09-20T12:00:00.123456789Z", stream: "stderr", message: "" },
        { timestamp: "t", stream: "console", message: "with a space" }
      ])
    }))

  it.live("asks for what the caller asked for", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(logs((response) => response.end()))
      const withOptions = (options: object) =>
        Stream.runDrain(Stream.unwrap(Deployments.useSync((deployments) => deployments.logs(rentalId, options))))
      yield* withOptions({}).pipe(against({ baseUrl: server.url }))
      yield* withOptions({ tail: 0 }).pipe(against({ baseUrl: server.url }))
      yield* withOptions({ follow: true, tail: 7 }).pipe(against({ baseUrl: server.url }))
      yield* Stream.runDrain(follow).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(
        server.received.map(({ url }) => url.replace(`/rentals/${rentalId}`, "")).filter((url) => url !== ""),
        [
          "/logs?follow=false",
          "/logs?follow=false&tail=0",
          "/logs?follow=true&tail=7",
          // A deployment that is over, or is stopping: what may come after the cut.
          "/logs?follow=true&tail=7",
          "/logs?follow=true",
          "/logs?follow=true"
        ]
      )
    }))

  it.live("gives the same lines wherever the bytes are cut, also inside a character", () =>
    Effect.gen(function*() {
      const bytes = Buffer.from(`${logEvent("grüße 😀")}${logEvent("\ufeffzwei")}`)
      for (let at = 1; at < bytes.length; at++) {
        const server = yield* scriptedServer(logs((response) => {
          response.write(bytes.subarray(0, at), () => setImmediate(() => response.end(bytes.subarray(at))))
        }))
        const { error, messages } = yield* read(once, server.url)
        assert.isUndefined(error)
        assert.deepStrictEqual(messages, ["grüße 😀", "\ufeffzwei"])
      }
    }))

  it.live("takes an error event as a failure of the service, after all lines before it", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(logs((response) => {
        response.end(`${logEvent("a")}${logEvent("b")}${logEvent("Stream error: connection reset", "error")}`)
      }))
      for (const stream of [once, followOnce]) {
        const { error, messages } = yield* read(stream, server.url)
        assert.deepStrictEqual(messages, ["a", "b"])
        assert.instanceOf(error, ApiError)
        assert.deepInclude(error, { status: 200, reason: "Stream error: connection reset", retryable: true })
      }
    }))

  it.live("never takes a cut connection as the end", () =>
    Effect.gen(function*() {
      const cuts: Record<string, (response: ServerResponse) => void> = {
        "a reset": (response) => response.socket?.resetAndDestroy(),
        "a close inside the chunks": (response) => response.socket?.destroy()
      }
      for (const [what, cut] of Object.entries(cuts)) {
        const server = yield* scriptedServer(logs((response) => {
          response.write(logEvent("a"), () => setImmediate(() => cut(response)))
        }))
        for (const stream of [once, followOnce]) {
          const { error, messages } = yield* read(stream, server.url)
          assert.deepInclude(error, { _tag: "NetworkError", phase: "body" }, what)
          assert.isAtMost(messages.length, 1)
        }
      }
    }))

  it.live("loses no line where the body ends inside an event", () =>
    Effect.gen(function*() {
      const parts = [logEvent("b").slice(0, 20), logEvent("b").slice(0, -1)]
      for (const part of parts) {
        let count = 0
        const server = yield* scriptedServer(
          logs((response) => response.end(`${logEvent("a")}${++count === 1 ? part : logEvent("b")}`))
        )
        assert.deepStrictEqual(yield* read(follow, server.url), { messages: ["a", "b"], error: undefined })
        count = 0
        const { error, messages } = yield* read(once, server.url)
        assert.deepStrictEqual(messages, ["a"])
        assert.deepInclude(error, { _tag: "NetworkError", phase: "body" })
      }
    }))

  it.live("takes an error event without a message, and a line without one, for what they are", () =>
    Effect.gen(function*() {
      const odd = [
        ["data:{\"stream\":\"error\",\"error\":\"validator gone\"}\n\n", "ApiError"],
        ["data:{\"msg\":\"a line\",\"stream\":\"stdout\"}\n\n", "InvalidResponse"]
      ] as const
      for (const [event, tag] of odd) {
        const server = yield* scriptedServer(logs((response) => response.end(`${logEvent("a")}${event}`)))
        const { error, messages } = yield* read(once, server.url)
        assert.deepStrictEqual(messages, ["a"])
        assert.strictEqual(error?._tag, tag)
      }
    }))

  it.live("closes the connection of a reply that is no log", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => {
        response.writeHead(200, { "content-type": "text/html" })
        response.write("<html>")
      })
      const services = Stream.unwrap(LogStream.useSync((logStream) => logStream.follow(rentalId)))
      yield* Effect.andThen(Effect.flip(Stream.runDrain(services)), server.allClosed).pipe(
        against({ baseUrl: server.url })
      )
    }))

  it.live("ends when the deployment has ended, or is gone", () =>
    Effect.gen(function*() {
      for (const state of ["terminated", "failed"]) {
        const server = yield* scriptedServer(logs((response) => response.end(logEvent("a")), state))
        assert.deepStrictEqual(yield* read(follow, server.url), { messages: ["a"], error: undefined })
      }
      const server = yield* scriptedServer((response, { url }) => {
        if (url === "/rentals") return json(response, 200, { rentals: [], total_count: 0 })
        if (!url.includes("/logs")) return bare(response, 404)
        response.writeHead(200, { "content-type": "text/event-stream" })
        return response.end(logEvent("a"))
      })
      assert.deepStrictEqual(yield* read(follow, server.url), { messages: ["a"], error: undefined })
    }))

  it.live("does not end on the 404 of a proxy, at its own route and at that of the state", () =>
    Effect.gen(function*() {
      for (const where of ["logs", "state"]) {
        for (const words of ["<html><title>404 page not found</title></html>", ""]) {
          let [connections, pages] = [0, 0]
          const page = (response: ServerResponse) => {
            response.writeHead(404, { "content-type": "text/html" })
            response.end(words)
          }
          const server = yield* scriptedServer((response, { url }) => {
            const isLog = url.includes("/logs")
            const isOver = connections > 1
            if (url === "/rentals") {
              return json(response, 200, { rentals: [rentalItem(isOver ? "Stopped" : "Active")], total_count: 1 })
            }
            if (connections > 0 && isLog === (where === "logs") && pages++ === 0) return page(response)
            if (!isLog) return json(response, 200, rental(isOver ? "terminated" : "active"))
            response.writeHead(200, { "content-type": "text/event-stream" })
            return response.end(++connections === 1 ? logEvent("a") : logEvent("a") + logEvent("b"))
          })
          assert.deepStrictEqual(yield* read(follow, server.url), { messages: ["a", "b"], error: undefined })
        }
      }
    }))

  it.live("takes no body for a log that is coded, and shows nothing of one that is a part", () =>
    Effect.gen(function*() {
      const lines = logEvent("a secret")
      const bodies: ReadonlyArray<readonly [number, Record<string, string>, string | Buffer, RegExp]> = [
        [200, { "content-encoding": "gzip" }, gzipSync(lines), /coding that was not asked for, "gzip"/],
        [200, { "content-encoding": "br" }, Buffer.concat([brotliCompressSync(lines), Buffer.from("\n\n")]), /"br"/],
        [206, {}, lines, /206/]
      ]
      for (const [status, headers, body, words] of bodies) {
        const server = yield* scriptedServer((response) => {
          response.writeHead(status, { "content-type": "text/event-stream", ...headers })
          response.end(body)
        })
        for (const stream of [once, follow]) {
          const { error, messages } = yield* read(stream, server.url)
          assert.deepStrictEqual(messages, [])
          assert.strictEqual(error?._tag, "InvalidResponse")
          assert.match(error?.message ?? "", words)
          assert.notInclude(error?.message ?? "", "secret")
        }
      }
      // No coding at all may be named, and `fetch` takes one off by itself.
      const plain = yield* scriptedServer((response) => {
        response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "identity" })
        response.end(lines)
      })
      assert.deepStrictEqual((yield* read(once, plain.url)).messages, ["a secret"])
      const zipped = yield* scriptedServer((response) => {
        response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" })
        response.end(gzipSync(lines))
      })
      const overFetch = Basilica.layerHttpClient({ baseUrl: zipped.url, token: "t" }).pipe(
        Layer.provide(FetchHttpClient.layer)
      )
      const fetched = yield* Stream.runCollect(once).pipe(Effect.provide(overFetch))
      assert.deepStrictEqual(fetched.map(({ message }) => message), ["a secret"])
    }))

  it.live("waits for the service to notice that the deployment has ended", () =>
    Effect.gen(function*() {
      const states = ["active", "active", "terminated"]
      const server = yield* scriptedServer((response, { url }) => {
        if (!url.includes("/logs")) return json(response, 200, rental(states.shift() ?? "terminated"))
        response.writeHead(200, { "content-type": "text/event-stream" })
        return response.end(logEvent("a"))
      })
      assert.deepStrictEqual(yield* read(follow, server.url), { messages: ["a"], error: undefined })
    }))

  it.live("does not look at the state of a log that was not followed", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(logs((response) => response.end(logEvent("a")), "active"))
      assert.deepStrictEqual(yield* read(once, server.url), { messages: ["a"], error: undefined })
      assert.lengthOf(server.received, 1)
    }))

  it.live("skips heartbeats, comments, other events and a repeated retry", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(logs((response) => {
        response.end(
          `\ufeff: hello\n\nretry: 5\nid: 7\n\n${
            logEvent("a")
          }data: {"heartbeat":true,"timestamp":"t"}\r\n\r\nretry: 5\n\n` +
            `event: log\r${logEvent("b")}`
        )
      }))
      assert.deepStrictEqual(yield* read(once, server.url), { messages: ["a", "b"], error: undefined })
    }))

  for (
    const [what, data] of [
      ["no JSON", "data: hello\n\n"],
      ["no object", "data: 7\n\n"],
      ["a number for a message", `data: {"message":7,"stream":"stdout","timestamp":"t"}\n\n`],
      ["a tab in its text, which JSON forbids", `data:{"message":"a\tb","stream":"stderr","timestamp":"t"}\n\n`],
      ["no end", `data: ${"x".repeat(1024 * 1024 + 10)}`]
    ] as const
  ) {
    it.live(`names an event that has ${what}, after the lines before it`, () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer(logs((response) => response.end(`${logEvent("a")}${data}`)))
        const { error, messages } = yield* read(once, server.url)
        assert.deepStrictEqual(messages, ["a"])
        assert.strictEqual(error?._tag, "InvalidResponse")
      }))
  }

  it.live("takes no page for a log", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => response.end("<html>"))
      const { error } = yield* read(once, server.url)
      assert.strictEqual(error?._tag, "InvalidResponse")
    }))

  it.live("fails before anything is sent for a bad id or bad options", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(logs((response) => response.end()))
      for (
        const [id, options] of [["..", {}], [rentalId, { tail: -1 }], [rentalId, { tail: 1.5 }], [
          rentalId,
          { since: 1 } as LogOptions
        ]] as const
      ) {
        const stream = Stream.unwrap(Deployments.useSync((deployments) => deployments.logs(id, options)))
        const { error } = yield* read(stream, server.url)
        assert.strictEqual(error?._tag, "ConfigurationError")
      }
      assert.lengthOf(server.received, 0)
    }))

  it.live("is NotFound where there is no deployment, and tries a passing failure again", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, _, count) => bare(response, count < 3 ? 502 : 404))
      const { error } = yield* read(once, server.url)
      assert.strictEqual(error?._tag, "NotFound")
      assert.lengthOf(server.received, 3)
    }))

  it.live("closes the connection when the reader has enough, and when it is interrupted while it waits", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer(logs((response) => {
        response.write(logEvent("a"))
        response.write(logEvent("b"))
      }, "active"))
      const first = yield* Stream.runHead(follow).pipe(against({ baseUrl: server.url }))
      assert.strictEqual(first._tag, "Some")
      yield* server.allClosed
      const messages: Array<string> = []
      let two = () => {}
      const both = new Promise<void>((resolve) => two = resolve)
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(follow, ({ message }) =>
          Effect.sync(() => {
            if (messages.push(message) === 2) two()
          })).pipe(against({ baseUrl: server.url }))
      )
      yield* Effect.promise(() => both)
      assert.strictEqual(server.connections(), 1)
      yield* Fiber.interrupt(fiber)
      yield* server.allClosed
    }))

  it.live("makes the service wait for a reader that is slow", () =>
    Effect.gen(function*() {
      let written = 0
      let full = () => {}
      const paused = new Promise<void>((resolve) => full = resolve)
      const line = logEvent("x".repeat(1000))
      const server = yield* scriptedServer(logs((response) => {
        const write = () => {
          // An endless log: it ends here only because the socket takes no more.
          while (written < 200_000_000) {
            written += line.length
            if (!response.write(line)) return full()
          }
        }
        response.on("drain", write)
        write()
      }, "active"))
      let seen = 0
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(follow, () => ++seen < 10 ? Effect.void : Effect.never).pipe(against({ baseUrl: server.url }))
      )
      yield* Effect.promise(() => paused)
      // The service may write until every buffer on the way is full; then it has to wait.
      let before = -1
      while (before !== written) {
        before = written
        yield* Effect.sleep("200 millis")
      }
      assert.strictEqual(seen, 10)
      assert.isBelow(written, 16 * 1024 * 1024)
      yield* Fiber.interrupt(fiber)
    }))
})
