/**
 * How fast a log is read, against a hand-written loop of `fetch`, a split at empty lines and `JSON.parse`; and how fast a
 * replay is skipped. The server is a process of its own. `node --conditions=basilica-sdk-source bench/logs.ts`.
 */
import { Basilica, LogCursor, type LogEntry, LogStream } from "basilica-sdk"
import { Effect, Stream } from "effect"
import { fork } from "node:child_process"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const lines = 200_000
const rounds = 7
const id = "rental-bench"

const entry = (index: number): LogEntry => ({
  timestamp: `2025-09-20T12:00:00.${String(index).padStart(9, "0")}Z`,
  stream: index % 5 === 0 ? "stderr" : "stdout",
  message: `step ${index} loss 0.123456 throughput 1234`
})

const serve = () => {
  const event = (index: number) => {
    const { message, stream, timestamp } = entry(index)
    return `data:${JSON.stringify({ message, stream, timestamp })}\n\n`
  }
  const all = Buffer.from(Array.from({ length: lines }, (_, index) => event(index)).join(""))
  const server = createServer((request, response) => {
    const url = request.url ?? ""
    if (!url.includes("/logs")) {
      response.writeHead(404)
      return response.end()
    }
    response.writeHead(200, { "content-type": "text/event-stream" })
    let at = 0
    const write = (): void => {
      while (at < all.length) {
        const chunk = all.subarray(at, at += 65_536)
        if (!response.write(chunk)) return void response.once("drain", write)
      }
      response.end()
    }
    return write()
  })
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port))
}

const byHand = async (url: string) => {
  const response = await fetch(`${url}/rentals/${id}/logs?follow=true`)
  const decoder = new TextDecoder()
  let rest = ""
  let count = 0
  for await (const chunk of response.body ?? []) {
    const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n")
    rest = events.pop() ?? ""
    for (const event of events) {
      const { message, stream, timestamp } = JSON.parse(event.slice(5))
      if (typeof message !== "string" || typeof stream !== "string" || typeof timestamp !== "string") throw new Error()
      count++
    }
  }
  return count
}

const measure = async () => {
  const child = fork(import.meta.filename, ["serve"])
  const port = await new Promise<number>((resolve) => child.once("message", (message) => resolve(Number(message))))
  const url = `http://127.0.0.1:${port}`
  const layer = Basilica.layer({ baseUrl: url, token: "t" })
  const follow = (from?: LogCursor) =>
    Stream.unwrap(LogStream.useSync((logs) => logs.follow(id, { from, maxReconnects: 0 })))
  const read = (from?: LogCursor) => {
    let count = 0
    return Stream.runForEachArray(follow(from), (batch) => Effect.sync(() => count += batch.length)).pipe(
      Effect.map(() => count),
      Effect.provide(layer),
      Effect.runPromise
    )
  }
  let end = LogCursor.start(id)
  for (let index = 0; index < lines; index++) end = LogCursor.after(end, entry(index))
  const contestants: Record<string, () => Promise<number>> = {
    "by hand": () => byHand(url),
    "arrays as chunks": () => read(),
    "a replay, skipped": () => read(end)
  }
  const times: Record<string, Array<number>> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      const begin = performance.now()
      const count = await run()
      if (count !== (name.startsWith("a replay") ? 0 : lines)) throw new Error(`${name} read ${count} lines`)
      if (round > 0) (times[name] ??= []).push(performance.now() - begin)
    }
  }
  const median = (values: ReadonlyArray<number>) =>
    values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0
  const hand = times["by hand"] ?? []
  for (const [name, own] of Object.entries(times)) {
    const ratio = median(own.map((time, index) => (hand[index] ?? 0) / time))
    console.log(`${name}: ${Math.round(lines / median(own))} lines a ms, ${ratio.toFixed(2)} of by hand`)
  }
  child.kill()
}

if (process.argv[2] === "serve") serve()
else await measure()
