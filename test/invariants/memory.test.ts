import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import type { ServerResponse } from "node:http"
import { join } from "node:path"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { patience, size } from "../support/Scale.ts"
import { bare, logEvent, scriptedServer } from "../support/ScriptedServer.ts"

/** Writes until the reader leaves, as fast as it takes it. */
const endlessly = (response: ServerResponse, next: () => string, most = Number.POSITIVE_INFINITY) => {
  let written = 0
  const go = () => {
    while (!response.destroyed && written < most) {
      const part = next()
      written += part.length
      if (!response.write(part)) {
        response.once("drain", go)
        return
      }
    }
    response.end()
  }
  go()
}

const measure = Effect.fnUntraced(function*(what: string, answer: (response: ServerResponse) => void, seconds = 2) {
  const server = yield* scriptedServer((response, { url }) => {
    if (url.includes("warm-up")) bare(response, 404)
    else answer(response)
  })
  const program = join(import.meta.dirname, "reader.ts")
  const { stdout } = yield* Effect.promise(() =>
    promisify(execFile)(process.execPath, [
      "--expose-gc",
      // What is held counts here, not how long V8 lets garbage lie.
      "--max-semi-space-size=1",
      "--conditions=basilica-sdk-source",
      program,
      server.url,
      what,
      String(seconds)
    ])
  )
  return JSON.parse(stdout) as { readonly grewMiB: number; readonly read: number; readonly isInOrder: boolean }
})

const stream = { "content-type": "text/event-stream" }
const block = "a".repeat(64 * 1024)

describe("I13: what a reply may take of memory (below 32 MiB)", () => {
  it.live("a body of 100 MiB", () =>
    Effect.gen(function*() {
      const { grewMiB } = yield* measure("body", (response) => {
        response.writeHead(200, { "content-type": "application/json" })
        endlessly(response, () => block, 100 * 2 ** 20)
      })
      assert.isBelow(grewMiB, 32)
    }), patience)

  it.live("200 KiB that unpack to 200 MiB", () =>
    Effect.gen(function*() {
      const bomb = yield* Effect.promise(() => promisify(gzip)(Buffer.alloc(200 * 2 ** 20), { level: 9 }))
      const { grewMiB } = yield* measure("body", (response) => {
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
        response.end(bomb)
      })
      assert.isBelow(grewMiB, 32)
    }), patience)

  it.live("a line of a log that never ends", () =>
    Effect.gen(function*() {
      const { grewMiB } = yield* measure("logs", (response) => {
        response.writeHead(200, stream)
        response.write("data:")
        endlessly(response, () => block)
      })
      assert.isBelow(grewMiB, 32)
    }), patience)

  it.live("a comment that never ends", () =>
    Effect.gen(function*() {
      const { grewMiB } = yield* measure("logs", (response) => {
        response.writeHead(200, stream)
        response.write(":")
        endlessly(response, () => block)
      })
      assert.isBelow(grewMiB, 32)
    }), patience)
})

describe("I15: a slow reader makes the service wait", () => {
  const seconds = size(10, 60)
  it.live(
    `10 lines a second of 100,000 and more, for ${seconds} seconds: below 32 MiB, and nothing lost`,
    () =>
      Effect.gen(function*() {
        let count = 0
        const { grewMiB, isInOrder, read } = yield* measure("slow", (response) => {
          response.writeHead(200, stream)
          endlessly(response, () => Array.from({ length: 100 }, () => logEvent(`line ${count++}`)).join(""))
        }, seconds)
        assert.isBelow(grewMiB, 32)
        assert.isTrue(isInOrder)
        assert.isAtLeast(read, seconds * 5)
      }),
    patience
  )
})
