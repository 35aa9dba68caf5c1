import { assert, describe, it } from "@effect/vitest"
import { Deployments, Executors } from "basilica-sdk"
import { Cause, Effect, Exit } from "effect"
import * as fc from "fast-check"
import { execFile } from "node:child_process"
import type { ServerResponse } from "node:http"
import process from "node:process"
import type { Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib"
import { ByteBuffer } from "../../src/services/internal/ByteBuffer.ts"
import { workedIn } from "../support/MachineTime.ts"
import { holds, patience, seed, times } from "../support/Scale.ts"
import { json, logEvent, rental, scriptedServer, started } from "../support/ScriptedServer.ts"
import { config, executorItem, goodReply, over, transports } from "./Victim.ts"

const mebibyte = 1024 * 1024
const program = fileURLToPath(new URL("./programs/memory.ts", import.meta.url))
const zeros = Buffer.alloc(200 * mebibyte)
const gzip = gzipSync(zeros)
const bombs: Readonly<Record<string, readonly [string, () => Buffer]>> = {
  "bomb-gzip": ["gzip", () => gzip],
  "bomb-gzip-gzip": ["gzip, gzip", () => gzipSync(gzip)],
  "bomb-deflate": ["deflate", () => deflateSync(zeros)],
  "bomb-brotli": ["br", () => brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })],
  "bomb-gzip-five": ["gzip, gzip, gzip, gzip, gzip", () => gzipSync(gzipSync(gzipSync(gzipSync(gzip))))],
  "bomb-error-gzip": ["gzip", () => gzip],
  "log-bomb-gzip": ["gzip", () => gzip]
}

/** Writes as long as the other side reads, 200 MiB at most. */
const pour = (response: Writable, part: string | Buffer) => {
  let left = Math.ceil((200 * mebibyte) / part.length)
  const more = () => {
    let goesOn = true
    while (goesOn && left-- > 0) goesOn = response.write(part)
    if (goesOn) response.end()
    else response.once("drain", more)
  }
  more()
}

const attack = (response: ServerResponse, name: string) => {
  const bomb = bombs[name]
  const status = name.includes("error") ? 500 : name.includes("refused") ? 401 : 200
  const type = name.startsWith("log") ? "text/event-stream" : "application/json"
  const headers: Record<string, string> = { "content-type": type }
  if (bomb !== undefined) headers["content-encoding"] = bomb[0]
  response.writeHead(status, headers)
  response.flushHeaders()
  if (name === "log-good") return response.end(logEvent("a"))
  if (name === "good") return response.end(JSON.stringify({ available_executors: [], total_count: 0 }))
  if (bomb !== undefined) return response.end(bomb[1]())
  if (name === "body-small") return pour(response, "[1,".repeat(600))
  if (name === "log-line") return pour(response, `data:${"x".repeat(65_536)}`)
  if (name === "log-lines") return pour(response, `data:${"x".repeat(1000)}\n`)
  if (name === "log-comment") return pour(response, `:${"x".repeat(65_536)}`)
  if (name === "log-comments") return pour(response, ":\n".repeat(1000))
  if (name === "log-names") return pour(response, `event:${"x".repeat(60_000)}\nid:${"y".repeat(60_000)}\n`)
  return pour(response, Buffer.alloc(65_536, "[1,"))
}

describe("memory", () => {
  const attacks = {
    undici: [
      "body",
      "body-small",
      "error",
      "refused",
      "log-line",
      "log-lines",
      "log-comment",
      "log-comments",
      "log-names"
    ],
    fetch: [
      ...Object.keys(bombs),
      "body",
      "body-small",
      "error",
      "refused",
      "log-line",
      "log-lines",
      "log-comment",
      "log-names"
    ]
  }
  for (const [transport, names] of Object.entries(attacks)) {
    it.live(
      `grows by less than 32 MiB under 200 MiB of ${names.join(", ")}, over ${transport}`,
      () =>
        Effect.gen(function*() {
          const server = yield* scriptedServer((response, { url }) =>
            url.includes("/rentals/") && !url.includes("/logs")
              ? json(response, 200, rental("terminated"))
              : attack(response, url.split("/")[1] ?? "")
          )
          const run = promisify(execFile)(process.execPath, [
            "--expose-gc",
            // What is garbage already, and lies about until the young space of V8 is full, is not measured.
            "--max-semi-space-size=1",
            "--conditions=basilica-sdk-source",
            program,
            server.url,
            transport,
            ...names
          ])
          const { stdout } = yield* Effect.promise(() => run)
          const grown: Record<string, readonly [number, string]> = JSON.parse(stdout)
          for (const name of names) {
            const [bytes = Infinity, how = ""] = grown[name] ?? []
            assert.isBelow(bytes, 32 * mebibyte, `${name}: ${how}`)
            if (name !== "log-comments" && name !== "log-names") {
              assert.match(
                how,
                /ended inside a line|larger than|longer than|answered 500|was not authenticated|answered 401/,
                name
              )
            }
          }
        }),
      patience
    )
  }
})

describe("the text of a body", () => {
  it(`is the same however it is cut (seed ${seed})`, () => {
    const text = fc.string({ unit: "grapheme", maxLength: 60 }).map((part) => part.repeat(200))
    const cuts = fc.array(fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 9000 })), { minLength: 1, maxLength: 40 })
    holds(fc.tuple(text, cuts), times(2000), ([text, cuts]) => {
      const bytes = new TextEncoder().encode(text)
      const buffer = new ByteBuffer(bytes.length)
      for (let at = 0, cut = 0; at < bytes.length; cut++) {
        const length = Math.max(1, cuts[cut % cuts.length] ?? 1)
        assert.isTrue(buffer.add(bytes.subarray(at, at + length)))
        at += length
      }
      assert.strictEqual(buffer.toString(), text)
      assert.isFalse(buffer.add(new Uint8Array(1)))
    })
  })
})

describe("a reply", () => {
  const answered = (body: string) =>
    Effect.exit(Executors.use((_) => _.listAvailable())).pipe(
      Effect.provide(over(() => new Response(body, { headers: { "content-type": "application/json" } })))
    )
  const failure = (body: string) =>
    Effect.map(answered(body), (exit) => {
      assert.isTrue(Exit.isFailure(exit) && !Cause.hasDies(exit.cause))
      return Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    })
  const good = JSON.stringify(executorItem("e1"))

  for (
    const [what, body] of [
      ["lists", "[".repeat(100_000) + "]".repeat(100_000)],
      ["objects", "{\"a\":".repeat(100_000) + "1" + "}".repeat(100_000)],
      [
        "lists in a field that nobody knows",
        `{"available_executors":[],"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`
      ],
      ["lists where a text should be", `{"available_executors":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
      ["just more than 64", `{"available_executors":[],"x":${"[".repeat(64)}${"]".repeat(64)}}`]
    ] as const
  ) {
    it.live(`that nests too deep is refused: ${what}`, () =>
      Effect.gen(function*() {
        const error = yield* failure(body)
        assert.deepInclude(error, { _tag: "InvalidResponse" })
        assert.match(String(error), /nested deeper than 64/)
      }))
  }

  it.live("that nests without an end is refused, as what it is", () =>
    Effect.gen(function*() {
      const error = yield* failure("[".repeat(1_000_000))
      assert.deepInclude(error, { _tag: "InvalidResponse" })
      assert.match(String(error), /not JSON/)
    }))

  it.live("may have brackets in its texts, and 64 of them in its depth", () =>
    Effect.gen(function*() {
      for (const x of [`"${"[".repeat(1000)}"`, `"\\\\\\"${"{".repeat(1000)}"`, "[".repeat(63) + "]".repeat(63)]) {
        const exit = yield* answered(`{"available_executors":[${good}],"x":${x}}`)
        assert.isTrue(Exit.isSuccess(exit), x)
      }
    }))

  it.live("lists so many items and no more", () =>
    Effect.gen(function*() {
      const [millis, error] = yield* workedIn(failure(`{"available_executors":[${Array(2_000_000).fill("0").join()}]}`))
      assert.match(String(error), /more than 100000 items/)
      assert.isBelow(millis, 3000)
    }))

  it.live("with 100,000 bad items gives them all, briefly, and warns of five", () =>
    Effect.gen(function*() {
      const warnings: Array<string> = []
      const rentals = Array.from({ length: 100_000 }, (_, index) => ({ rental_id: `r${index}`, state: 5 }))
      const listing = yield* Deployments.use((_) => _.list()).pipe(
        Effect.provide(over(() => Response.json({ rentals }), {}, warnings))
      )
      assert.lengthOf(listing.invalid, 100_000)
      assert.lengthOf(warnings, 1)
      assert.isBelow(warnings[0]?.length ?? Infinity, 4000)
    }), patience)

  it.live("with 100,000 GPUs in a machine is read in time", () =>
    Effect.gen(function*() {
      const gpu = { name: "x", memory_gb: 1, compute_capability: "8" }
      const [millis, listing] = yield* workedIn(
        Executors.use((_) => _.listAvailable()).pipe(
          Effect.provide(
            over(() =>
              Response.json({
                available_executors: [executorItem("e", { gpu_specs: Array.from({ length: 100_000 }, () => gpu) })]
              })
            )
          )
        )
      )
      assert.lengthOf(listing.items[0]?.gpus ?? [], 100_000)
      assert.isBelow(millis, 5000)
    }))

  for (const count of ["1e999", "-1e999", "-1", "0.5", "1e300", "null", "\"7\"", "{}", "[]", "true"]) {
    it.live(`that counts ${count} is not believed`, () =>
      Effect.gen(function*() {
        const exit = yield* answered(`{"available_executors":[${good}],"total_count":${count}}`)
        assert.strictEqual(Exit.isSuccess(exit) ? exit.value.totalCount : undefined, 1)
      }))
  }

  it.live("has its numbers within what can be counted, its last key of two, and no key of the prototype", () =>
    Effect.gen(function*() {
      const infinite = good.replace("\"cores\":64", "\"cores\":1e999")
      const twice = good.replace("\"id\":\"e1\"", "\"id\":\"e1\",\"id\":\"e2\"")
      const proto = good.replace("\"id\":\"e1\"", "\"__proto__\":{\"id\":\"e3\"}")
      const exit = yield* answered(
        `{"__proto__":{"total_count":7},"constructor":1,"available_executors":[${infinite},${twice},${proto}]}`
      )
      const listing = Exit.isSuccess(exit) ? exit.value : undefined
      assert.deepStrictEqual(listing?.items.map(({ id }) => id), ["e2"])
      assert.deepStrictEqual(listing?.invalid.map(({ index }) => index), [0, 2])
      assert.strictEqual(listing?.totalCount, 3)
    }))
})

describe("the names in a map", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "prototype", "__defineGetter__"]

  it.live("of an environment stay data, on the wire too", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { method }) =>
        json(response, 200, method === "POST" ? started : { rentals: [], total_count: 0 })
      )
      const environment = JSON.parse(`{${names.map((name) => `"${name}":"value of ${name}"`).join()}}`)
      for (const [, transport] of transports) {
        yield* Deployments.use((_) => _.deploy({ ...config, environment })).pipe(
          Effect.provide(transport({ baseUrl: server.url, token: "secret-token" }))
        )
        const sent: { readonly environment: Record<string, string> } = JSON.parse(
          server.received.findLast(({ method }) => method === "POST")?.body ?? "{}"
        )
        assert.deepStrictEqual(
          Object.entries(sent.environment).map((entry) => entry.join(": ")),
          names.map((name) => `${name}: value of ${name}`)
        )
      }
      assert.notProperty({}, "value of __proto__")
    }))

  it.live("of a config are options or wrong, and never come from a prototype", () =>
    Effect.gen(function*() {
      for (const text of ["{\"__proto__\":{\"noSsh\":true}}", "{\"constructor\":1}", "{\"toString\":{}}"]) {
        const error = yield* Effect.flip(
          Deployments.use((_) => _.deploy({ executorId: "e", image: "u", ...JSON.parse(text) }))
        ).pipe(Effect.provide(over(goodReply)))
        assert.strictEqual(error._tag, "ConfigurationError", text)
      }
    }))

  it.live("of labels stay data", () =>
    Effect.gen(function*() {
      const labels = JSON.parse(`{${names.map((name) => `"${name}":"x"`).join()}}`)
      const reply = { ...started, container_info: { ...started.container_info, labels } }
      yield* Deployments.use((_) => _.deploy(config)).pipe(
        Effect.provide(over((method, path) => method === "POST" ? Response.json(reply) : goodReply(method, path)))
      )
      assert.notProperty({}, "x")
      assert.deepStrictEqual(Object.keys(Object.prototype), [])
    }))
})
