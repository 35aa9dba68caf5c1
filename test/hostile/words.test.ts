import { assert, describe, it } from "@effect/vitest"
import { Deployments, Executors, Transport } from "basilica-sdk"
import { Effect, Result } from "effect"
import * as fc from "fast-check"
import { inspect } from "node:util"
import { parseErrorBody } from "../../src/schema/wire/ErrorBody.ts"
import { worked } from "../support/MachineTime.ts"
import { holds, holdsLater, patience, seed, times } from "../support/Scale.ts"
import { logEvent, rental, rentalId } from "../support/ScriptedServer.ts"
import { executorItem, goodReply, operations, over, token } from "./Victim.ts"

const esc = "\u001b"
/** What a terminal, a log viewer or a reader's eye would act on. */
const evil = [
  `${esc}[31mred${esc}[0m`,
  `${esc}]8;;https://evil.example\u0007click${esc}]8;;\u0007`,
  "\u009b31mred",
  "one\r\nINFO two",
  "\u2028line",
  "\u202Egnp.exe",
  "\u200bhidden",
  "\ud800 alone",
  "\0nul",
  "\u0085next",
  "\b\b\bback",
  "\ufeffmark"
]
const acts = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

const envelope = (status: number, error: unknown, headers: Record<string, string> = {}) =>
  Response.json({ error }, { status, headers })

/** All that an error shows. */
const shown = (error: object): ReadonlyArray<string> =>
  Object.entries(error).flatMap(([, value]) => typeof value === "string" ? [value] : []).concat(
    (error as Error).message
  )

describe("the words of a hostile service", () => {
  for (const { method, name, path, run } of operations) {
    it.live(`carry nothing that a terminal acts on into an error of ${name}`, () =>
      Effect.gen(function*() {
        for (const status of [400, 401, 404, 409, 422, 500]) {
          for (const words of evil) {
            const error = yield* Effect.flip(run).pipe(
              Effect.provide(over(
                (...request) =>
                  request[0] === method && request[1] === path
                    ? envelope(status, { code: words, message: `because ${words}` })
                    : goodReply(request[0], request[1]),
                { deployTimeout: "20 millis" }
              )),
              Effect.option
            )
            if (error._tag === "None") continue
            for (const text of shown(error.value)) assert.notMatch(text, acts, `${status} ${JSON.stringify(words)}`)
          }
        }
      }))
  }

  it.live("carry nothing of that into an error inside a log", () =>
    Effect.gen(function*() {
      for (const words of [...evil, `your token ${token}`, "x".repeat(100_000)]) {
        const error = yield* Effect.flip(logs).pipe(Effect.provide(over(() =>
          new Response(logEvent(words, "error"), { headers: { "content-type": "text/event-stream" } })
        )))
        for (const text of shown(error)) {
          assert.notMatch(text, acts)
          assert.notInclude(text, token)
          assert.isAtMost(text.length, 2400)
        }
      }
    }))

  it.live("carry nothing of that into the type of a log, or the id of a request", () =>
    Effect.gen(function*() {
      for (const header of ["\u009b31m", `x ${token}`, "a\tb"]) {
        const typed = yield* Effect.flip(logs).pipe(
          Effect.provide(over(() => new Response("x", { headers: { "content-type": header } })))
        )
        const refused = yield* Effect.flip(list).pipe(
          Effect.provide(over(() => new Response("x", { status: 400, headers: { "x-request-id": header } })))
        )
        const invalid = yield* Effect.flip(list).pipe(
          Effect.provide(over(() => new Response("x", { status: 200, headers: { "x-request-id": header } })))
        )
        for (const text of [typed, refused, invalid].flatMap(shown)) {
          assert.notMatch(text, acts)
          assert.notInclude(text, token)
        }
      }
    }))

  it.live("carry nothing of that into the warning of a list, nor into its invalid items", () =>
    Effect.gen(function*() {
      for (const words of evil) {
        const warnings: Array<string> = []
        const bad = { ...executorItem("e"), executor: { id: `e ${words}`, [words]: 1 } }
        const listing = yield* list.pipe(Effect.provide(over(
          () => Response.json({ available_executors: [bad], total_count: 1 }),
          {},
          warnings
        )))
        for (const text of [...warnings, ...listing.invalid.flatMap(({ id = "", problem }) => [id, problem])]) {
          assert.notMatch(text, acts)
        }
        assert.lengthOf(warnings, 1)
      }
    }))

  it.live("carry nothing of that into the last state that an error saw", () =>
    Effect.gen(function*() {
      for (const words of [...evil, "x".repeat(1_000_000)]) {
        const reply = (method: string) =>
          method === "DELETE" ? new Response("", { status: 500 }) : Response.json({ ...rental(words) })
        const error = yield* Effect.flip(Deployments.use((_) => _.stop(rentalId))).pipe(Effect.provide(over(reply)))
        const text = inspect(error, { depth: null, breakLength: Infinity })
        assert.isAtMost(text.length, 20_000)
        assert.notMatch((error as { lastSeen?: { raw: string } }).lastSeen?.raw ?? "", acts)
      }
    }))

  it.live("hold the token no more where the service echoes it, in whole or cut", () =>
    Effect.gen(function*() {
      const echoes = [
        token,
        `Bearer ${token}`,
        `invalid token "${token}" here`,
        `${"x".repeat(2030)} ${token}`,
        token.slice(0, 30),
        token.slice(10),
        `<html><title>${token}</title></html>`,
        `<html><body>${token}<b>x</b></body></html>`,
        JSON.stringify({ error: token, message: token }),
        JSON.stringify({ error: "NOT_FOUND", message: token })
      ]
      for (const { method, name, path, run } of operations) {
        for (const status of [400, 401, 404, 409, 500]) {
          for (const echo of echoes) {
            for (const body of [echo, JSON.stringify({ error: { code: echo, message: echo } })]) {
              const error = yield* Effect.flip(run).pipe(
                Effect.provide(over(
                  (...request) =>
                    request[0] === method && request[1] === path
                      ? new Response(body, { status, headers: { "x-request-id": token } })
                      : goodReply(request[0], request[1]),
                  { deployTimeout: "20 millis", retry: undefined }
                )),
                Effect.option
              )
              if (error._tag === "None" || name === "Health.check") continue
              for (
                const text of [...shown(error.value), inspect(error.value, { depth: null }), JSON.stringify(error)]
              ) {
                for (let at = 0; at + 16 <= token.length; at++) assert.notInclude(text, token.slice(at, at + 16))
              }
            }
          }
        }
      }
    }), patience)

  it.live(`are read in a time that grows with their length alone (seed ${seed})`, () =>
    Effect.promise(() =>
      holdsLater(
        fc.constantFrom("<", "<a", "</", "<title", "<title>", " ", "\\", "\"", "{", "[", "a:", "\r\n", "<!doctype "),
        times(100),
        async (unit) => {
          const millis = worked(() => {
            parseErrorBody(`<html>${unit.repeat(Math.floor(65_000 / unit.length))}`)
            parseErrorBody(unit.repeat(Math.floor(65_000 / unit.length)))
          })
          assert.isBelow(millis, 300)
        }
      )
    ), patience)

  it("are bounded, whatever they are", () => {
    holds(fc.oneof(fc.string({ unit: "binary", maxLength: 5000 }), fc.json()), times(20_000), (body) => {
      const { code = "", reason } = parseErrorBody(body)
      assert.isAtMost(reason.length, 2048)
      assert.match(code, /^[\w.-]{0,128}$/)
      assert.notMatch(reason, acts)
    })
  })
})

/** A call that is sent once, so that nothing waits. */
const post = Transport.use((_) => _.request({ operation: "post", method: "POST", path: ["x"], decode: Result.succeed }))

describe("a Retry-After", () => {
  it.live(
    `gives no time or one that can be waited, whatever it says (seed ${seed})`,
    () =>
      Effect.promise(() =>
        holdsLater(
          fc.oneof(
            fc.string({ maxLength: 40 }),
            fc.bigInt({ min: 0n }).map(String),
            fc.nat({ max: 4000 }).map((length) => "9".repeat(length)),
            fc.double().map(String),
            fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
            fc.constantFrom(
              "-1",
              "1e999",
              "Infinity",
              "NaN",
              "0x10",
              "+5",
              "1.5",
              "١٢",
              "Fri, 31 Dec 9999 23:59:59 GMT",
              "Thu, 01 Jan 1970 00:00:00 GMT"
            )
          ),
          times(20_000),
          async (value) => {
            let headers: Headers
            try {
              headers = new Headers({ "retry-after": value })
            } catch {
              return
            }
            const error = await Effect.runPromise(
              Effect.flip(post).pipe(
                Effect.provide(over(() => new Response("", { status: 429, headers })))
              )
            )
            const { _tag, message, retryAfterMillis } = error as {
              readonly _tag: string
              readonly message: string
              readonly retryAfterMillis?: number
            }
            assert.strictEqual(_tag, "RateLimited")
            assert.notMatch(message, /NaN|Infinity/)
            if (retryAfterMillis === undefined) return
            assert.isTrue(Number.isFinite(retryAfterMillis) && retryAfterMillis >= 0)
            assert.isAtMost(retryAfterMillis, 24 * 60 * 60_000)
          }
        )
      ),
    patience
  )
})

const list = Executors.use((_) => _.listAvailable())
const logs = operations.find(({ name }) => name === "Deployments.logs")?.run ?? Effect.die("no logs")
