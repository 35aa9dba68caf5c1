import { assert, describe, it } from "@effect/vitest"
import * as Sdk from "basilica-sdk"
import { Cause, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { holdsLater, patience, seed, times } from "../support/Scale.ts"
import { logEvent } from "../support/ScriptedServer.ts"
import { goodReply, operations, over } from "./Victim.ts"

/** What may stand in the place of a part of a reply. `text` is put in as it is, JSON or not. */
interface Mutation {
  readonly where: number
  readonly how: "replace" | "remove" | "twice" | "add" | "wrap" | "cut" | "flip" | "insert"
  readonly text: string
}

const hostileText = fc.oneof(
  fc.json(),
  fc.constantFrom(
    "1e999",
    "-1e999",
    "-0",
    "1e-999",
    "9007199254740993",
    "99999999999999999999999999",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"../x\"",
    "\"-oProxyCommand=touch x@h:22\"",
    "\"root@$(reboot):22\"",
    "\"root@h:99999\"",
    "\"ssh -p 22 -oX=y root@h\"",
    "\"9999-99-99T99:99:99.999999999999999999Z\"",
    "\"+275760-09-13T00:00:00Z\"",
    "{\"__proto__\":{\"polluted\":1}}",
    "{\"constructor\":{\"prototype\":{\"polluted\":1}}}",
    "{\"toString\":null,\"valueOf\":1,\"then\":1}",
    "{\"then\":\"x\",\"_tag\":\"Fail\",\"length\":-1}",
    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    "undefined",
    "NaN",
    "'x'",
    "\u0000",
    "\ufeff",
    "<html>"
  ),
  fc.integer({ min: 1, max: 2000 }).map((length) => `"${"x".repeat(length)}"`),
  fc.string({ unit: "binary", maxLength: 10 }).map((text) => JSON.stringify(text))
)

const mutation: fc.Arbitrary<Mutation> = fc.record({
  where: fc.nat(),
  how: fc.constantFrom("replace", "remove", "twice", "add", "wrap", "cut", "flip", "insert"),
  text: hostileText
})

/** The places of all members and items in a JSON text: from a value's first letter to its end. */
const spans = (json: string): ReadonlyArray<readonly [number, number]> => {
  const found: Array<readonly [number, number]> = []
  for (const match of json.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null|[[{]/g)) {
    const start = match.index
    let end = start + match[0].length
    for (let depth = /[[{]/.test(match[0]) ? 1 : 0; depth > 0 && end < json.length; end++) {
      if (/[[{]/.test(json[end] ?? "")) depth++
      else if (/[\]}]/.test(json[end] ?? "")) depth--
    }
    found.push([start, end])
  }
  return found
}

const mutate = (body: string, { how, text, where }: Mutation): string => {
  const places = spans(body)
  const [start, end] = places[where % Math.max(1, places.length)] ?? [0, body.length]
  const at = body.length === 0 ? 0 : where % body.length
  switch (how) {
    case "replace":
      return body.slice(0, start) + text + body.slice(end)
    case "remove":
      return body.slice(0, start) + body.slice(end)
    case "twice":
      return `${body.slice(0, end)},${body.slice(start)}`
    case "add":
      return body.replace("{", `{"${text.replace(/["\\]/g, "")}":${text},"__proto__":${text},`)
    case "wrap":
      return `${body.slice(0, start)}[${body.slice(start, end)}]${body.slice(end)}`
    case "cut":
      return body.slice(0, at)
    case "flip":
      return body.slice(0, at) + String.fromCharCode(body.charCodeAt(at) ^ (1 << where % 8)) + body.slice(at + 1)
    case "insert":
    default:
      return body.slice(0, at) + text + body.slice(at)
  }
}

const reply = fc.record({
  operation: fc.nat({ max: operations.length - 1 }),
  /** Which of the requests of the operation are answered so: its own, or all. */
  all: fc.boolean(),
  status: fc.oneof(
    { weight: 5, arbitrary: fc.constant(200) },
    { weight: 1, arbitrary: fc.integer({ min: 200, max: 599 }) }
  ),
  mutations: fc.array(mutation, { minLength: 1, maxLength: 4 }),
  error: fc.boolean()
})

const errorClasses: ReadonlyArray<unknown> = Object.values(Sdk)
const envelope = JSON.stringify({
  error: { code: "BASILICA_API_OTHER_ERROR", message: "no", timestamp: "t", retryable: false }
})

describe("a mutated reply", () => {
  it.effect(`ends in a value or in a typed error, whatever the operation (seed ${seed})`, () =>
    Effect.gen(function*() {
      let answer: (method: string, path: string) => Response = goodReply
      const layer = over((method, path) => answer(method, path), { retry: undefined })
      const context = yield* Layer.build(layer)
      const runPromise = Effect.runPromiseWith(yield* Effect.context())
      const count = { Failure: 0, Success: 0 }
      yield* Effect.promise(() =>
        holdsLater(reply, times(200_000), async ({ all, error, mutations, operation, status }) => {
          const one = operations[operation] ?? assert.fail("no such operation")
          const logs = one.path.endsWith("/logs")
          const original = logs ? logEvent("one") + logEvent("two", "error") : JSON.stringify(one.reply ?? {})
          const body = mutations.reduce(mutate, error && status !== 200 ? envelope : original)
          const empty = [204, 205, 304].includes(status)
          const type = logs && status === 200 ? "text/event-stream" : "application/json"
          answer = (method, path) =>
            all || (method === one.method && path === one.path)
              ? new Response(empty ? null : body, { status, headers: { "content-type": type } })
              : goodReply(method, path)
          const exit = await runPromise(Effect.gen(function*() {
            const running = yield* Effect.forkChild(Effect.provide(one.run, context), { startImmediately: true })
            // What waits, for a retry or to look again, does so on virtual time.
            for (let round = 0; round < 40 && running.pollUnsafe() === undefined; round++) {
              yield* TestClock.adjust("1 minute")
            }
            return yield* Fiber.await(running)
          }))
          count[exit._tag]++
          if (Exit.isSuccess(exit)) return
          assert.isFalse(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
          const failure = Cause.squash(exit.cause)
          assert.include(errorClasses, (failure as Error).constructor, String(failure))
          assert.isAtMost((failure as Error).message.length, 3500)
          assert.notMatch((failure as Error).message, /[\p{Cc}\p{Cf}\p{Cs}]/u)
        })
      )
      assert.isAbove(count.Success, times(200_000) / 50)
      assert.isAbove(count.Failure, times(200_000) / 10)
      assert.notProperty({}, "polluted")
    }), patience)
})
