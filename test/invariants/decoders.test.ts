import { assert, describe, it } from "@effect/vitest"
import { ApiKeys, Auth, Basilica, Deployments, Health, type TransportOptions } from "basilica-sdk"
import { MemoryBasilica } from "basilica-sdk/testing"
import { Cause, Effect, Exit, Layer, Logger, Result, Schedule } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { config, operations } from "../faults/Operations.ts"
import { direct, expired, program } from "../faults/World.ts"
import { onMachineTime } from "../support/MachineTime.ts"
import { chanceOf, patience, replay, size } from "../support/Scale.ts"

/** A service that answers everything as the test says, and what it was asked. */
const answering = (answer: (request: { readonly url: string; readonly token: string | undefined }) => Response) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.sync(() =>
        HttpClientResponse.fromWeb(
          request,
          answer({ url: url.href, token: request.headers["authorization"] })
        )
      )
    )
  )
const once = Schedule.recurs(0) as Schedule.Schedule<unknown, never> as TransportOptions["retry"]
const over = (http: Layer.Layer<HttpClient.HttpClient>, options: Basilica.BasilicaOptions = {}) =>
  Layer.provideMerge(
    Layer.provide(
      Basilica.layerHttpClient({ baseUrl: "https://x.test", token: "t", retry: once, deployTimeout: 1, ...options }),
      http
    ),
    Logger.layer([])
  )

/** The good replies of each operation, as the service writes them. */
const goodReplies = Effect.gen(function*() {
  const memory = yield* MemoryBasilica
  const { id } = yield* Effect.provide(Deployments.use((all) => all.deploy(config)), direct(memory))
  yield* Effect.provide(ApiKeys.use((keys) => keys.create("kept")), direct(memory))
  const replies: Record<string, { readonly status: number; readonly type: string; readonly body: Uint8Array }> = {}
  for (const [name, operation] of Object.entries(operations)) {
    const last: Array<HttpClientResponse.HttpClientResponse> = []
    const recording = HttpClient.tap(memory.httpClient, (response) => Effect.sync(() => last.unshift(response)))
    const kept: Array<Uint8Array> = []
    const http = HttpClient.transformResponse(
      recording,
      (effect) =>
        Effect.flatMap(effect, (response) =>
          Effect.map(
            Effect.orElseSucceed(response.arrayBuffer, () => new ArrayBuffer(0)),
            (buffer) => {
              kept.unshift(new Uint8Array(buffer))
              return HttpClientResponse.fromWeb(
                response.request,
                new Response(response.status === 204 ? null : buffer, {
                  status: response.status,
                  headers: response.headers
                })
              )
            }
          ))
    )
    const run = name === "logs (follow)" ? operations["logs"]?.run(id) : operation.run(name === "deploy" ? "" : id)
    if (name === "refresh") {
      const grant = { access_token: "a", refresh_token: "b", expires_in: 86_400, token_type: "Bearer", scope: "openid" }
      replies[name] = { status: 200, type: "application/json", body: new TextEncoder().encode(JSON.stringify(grant)) }
      continue
    }
    if (name === "stop" || name === "deploy") {
      replies[name] = {
        status: 200,
        type: "application/json",
        body: new TextEncoder().encode(
          "{\"rental_id\":\"rental-1\",\"ssh_credentials\":\"root@1.2.3.4:22\",\"container_info\":{\"container_id\":\"a\",\"container_name\":\"b\",\"mapped_ports\":[{\"container_port\":22,\"host_port\":1,\"protocol\":\"tcp\"}],\"status\":\"running\",\"labels\":{}}}"
        )
      }
      continue
    }
    yield* Effect.ignore(Effect.provide(
      run ?? Effect.void,
      Layer.provide(
        Basilica.layerHttpClient({ baseUrl: memory.url, token: memory.token }),
        Layer.succeed(HttpClient.HttpClient, http)
      )
    ))
    const type = last[0]?.headers["content-type"] ?? "application/json"
    replies[name] = { status: last[0]?.status ?? 200, type, body: kept[0] ?? new Uint8Array() }
  }
  return replies
})

const odd = [
  "null",
  "-1",
  "1e999",
  "\"\"",
  "[]",
  "{}",
  "true",
  "\"\\ud800\"",
  "__proto__",
  "\"9999-99-99T99:99:99Z\"",
  "\0"
]

/** Some bytes of it changed, dropped, doubled or replaced by something odd. */
const mutated = (random: () => number, body: Uint8Array): Uint8Array => {
  let bytes = Buffer.from(body)
  for (let count = Math.ceil(random() * 4); count > 0; count--) {
    const at = Math.floor(random() * (bytes.length + 1))
    const length = Math.floor(random() * 12)
    const insert = [
      Buffer.alloc(0),
      Buffer.from([Math.floor(random() * 256)]),
      bytes.subarray(at, at + length),
      Buffer.from(odd[Math.floor(random() * odd.length)] ?? "")
    ][Math.floor(random() * 4)] ?? Buffer.alloc(0)
    bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + length)])
  }
  return bytes
}

describe(`I11: no body makes a decoder throw (${size(20_000, 200_000)} mutated bodies)`, () => {
  it.live("ends as a value or a typed error", () =>
    Effect.gen(function*() {
      const replies = yield* Effect.provide(
        goodReplies,
        MemoryBasilica.layerServer({ program: { ...program, exits: true } })
      )
      const names = Object.keys(operations).filter((name) => name !== "logs (follow)")
      const ends = new Map<string, number>()
      yield* Effect.gen(function*() {
        for (let index = 0; index < size(20_000, 200_000); index++) {
          const random = chanceOf(index)
          const name = names[index % names.length] ?? ""
          const good = replies[name]
          const body = mutated(random, good?.body ?? new Uint8Array())
          const status = random() < 0.9
            ? good?.status ?? 200
            : [400, 401, 404, 409, 429, 500, 503][Math.floor(random() * 7)]
          const bytes = new Uint8Array(body)
          const make = () =>
            new Response(status === 204 ? null : bytes, {
              status: status ?? 200,
              headers: { "content-type": good?.type ?? "" }
            })
          current = make
          // A sign-in that is over is not tried again, so each has its own.
          const exit = yield* Effect.exit(
            name === "refresh" ? renewed() : operations[name]?.run("rental-1") ?? Effect.void
          )
          const what = `${name} ${status} ${Buffer.from(body).toString("latin1").slice(0, 300)}; ${replay(index)}`
          if (Exit.isFailure(exit)) {
            assert.isFalse(Cause.hasDies(exit.cause), `${what} ${Cause.pretty(exit.cause)}`)
            assert.isString((Cause.squash(exit.cause) as { readonly _tag?: string })._tag, what)
          }
          const end = Exit.isSuccess(exit) ? "ok" : "error"
          ends.set(end, (ends.get(end) ?? 0) + 1)
        }
      }).pipe(Effect.provide(over(answering(() => current()))))
      assert.isAbove(ends.get("ok") ?? 0, 100)
      assert.isAbove(ends.get("error") ?? 0, 100)
    }).pipe((all) => onMachineTime(all, 100)), patience)
})

let current: () => Response = () => new Response()

const renewed = () =>
  Effect.provide(
    Auth.use((auth) => auth.token),
    Layer.provide(
      Auth.layerTokens({ accessToken: expired, refreshToken: "r", domain: "https://x.test" }),
      answering(() => current())
    )
  )

const alphabet = [
  ..."abcXYZ019-_",
  ".",
  "..",
  "/",
  "\\",
  "%2e",
  "%2F",
  "?",
  "#",
  "@",
  ":",
  " ",
  "\t",
  "\r\n",
  "\0",
  "\u007f",
  "é",
  "\u202e",
  "\ud800",
  "__proto__"
]
const text = (random: () => number) =>
  Array.from({ length: Math.floor(random() * 12) }, () => alphabet[Math.floor(random() * alphabet.length)]).join("")

describe("I12: what a person gives never changes what is asked", () => {
  it.live(
    `an id is one segment of the path, or refused before anything is sent (${size(10_000, 100_000)})`,
    () =>
      Effect.gen(function*() {
        let asked: string | undefined
        let sent = 0
        yield* Effect.gen(function*() {
          const deployments = yield* Deployments
          for (let index = 0; index < size(10_000, 100_000); index++) {
            const id = text(chanceOf(index))
            asked = undefined
            const error = yield* Effect.flip(deployments.get(id))
            if (error._tag === "ConfigurationError") {
              assert.isUndefined(asked, `${JSON.stringify(id)}; ${replay(index)}`)
            } else {
              sent++
              assert.strictEqual(asked, `https://x.test/rentals/${id}`, `${JSON.stringify(id)}; ${replay(index)}`)
            }
          }
        }).pipe(Effect.provide(over(answering(({ url }) => {
          asked = url
          return new Response(null, { status: 404 })
        }))))
        assert.isAbove(sent, 100)
      }),
    patience
  )

  it.live(
    `a token is the header's value as it was given, or refused (${size(10_000, 100_000)})`,
    () =>
      Effect.gen(function*() {
        let good = 0
        for (let index = 0; index < size(10_000, 100_000); index++) {
          const token = text(chanceOf(index))
          const result = yield* Effect.result(
            Effect.provide(Auth.use((auth) => auth.token), Auth.layerToken(token))
          )
          if (Result.isSuccess(result)) {
            good++
            const header = new Headers({ authorization: `Bearer ${token.trim()}` }).get("authorization")
            assert.strictEqual(header, `Bearer ${token.trim()}`, `${JSON.stringify(token)}; ${replay(index)}`)
            assert.match(token.trim(), /^[\x21-\x7e]+$/)
          } else {
            assert.strictEqual(result.failure._tag, "ConfigurationError")
            const inner = token.trim()
            if (inner.length > 3) assert.notInclude(result.failure.message, inner)
          }
        }
        assert.isAbove(good, 100)
      }),
    patience
  )

  it.live(`a Retry-After is a time from now on, or none (${size(2000, 20_000)})`, () =>
    Effect.gen(function*() {
      const pieces = [
        "1",
        "0",
        "-",
        "+",
        ".",
        "e",
        "120",
        "99999999999999999999",
        " ",
        "soon",
        "Wed, 21 Oct 2065 07:28:00 GMT",
        ",",
        "Infinity",
        "NaN",
        "0x1"
      ]
      let header = ""
      let known = 0
      yield* Effect.gen(function*() {
        const health = yield* Health
        for (let index = 0; index < size(2000, 20_000); index++) {
          const random = chanceOf(index)
          header = Array.from({ length: Math.ceil(random() * 3) }, () => pieces[Math.floor(random() * pieces.length)])
            .join("")
          const error = yield* Effect.flip(health.check)
          assert.strictEqual(error._tag, "RateLimited")
          const millis = error._tag === "RateLimited" ? error.retryAfterMillis : undefined
          if (millis === undefined) continue
          known++
          assert.isTrue(
            Number.isFinite(millis) && millis >= 0,
            `${JSON.stringify(header)}: ${millis}; ${replay(index)}`
          )
        }
      }).pipe(
        Effect.provide(over(answering(() => new Response(null, { status: 429, headers: { "retry-after": header } }))))
      )
      assert.isAbove(known, 50)
    }), patience)
})
