import { assert, describe, it } from "@effect/vitest"
import { ApiKeys, type Basilica, Deployments } from "basilica-sdk"
import { BasilicaClient } from "basilica-sdk/promise"
import { Cause, Effect, Exit, Logger, Metric, References, Tracer } from "effect"
import { execFile } from "node:child_process"
import type { ServerResponse } from "node:http"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { inspect } from "node:util"
import { atOnce } from "../support/client.ts"
import { patience } from "../support/Scale.ts"
import { bare, envelope, json, scriptedServer } from "../support/ScriptedServer.ts"
import { goodReply, operations, transports } from "./Victim.ts"

/** The secrets that are planted. Each is long enough to be taken for a token. */
const canary = {
  accessToken: "eyJhbGciOi.canary-access-token.0123456789",
  apiKey: "basilica_canary-api-key-0123456789abcdef",
  refreshToken: "canary-refresh-token-0123456789",
  keySecret: "basilica_canary-key-secret-0123456789",
  ssh: "canary-ssh-user@canary-ssh-host:22022",
  environment: "canary-environment-value",
  imagePassword: "canary-image-password",
  cookie: "session=canary-cookie"
}

/** Everything that the service says holds a secret; in words, only the token that it was sent. */
const poisoned = {
  refresh_token: canary.refreshToken,
  token: [canary.keySecret],
  ssh_credentials: { value: canary.ssh },
  environment: { A: canary.environment },
  container_image: `user:${canary.imagePassword}@docker.io/x`,
  rental_id: { id: canary.ssh },
  rentals: [{ rental_id: "r", state: { a: canary.environment }, ssh_credentials: canary.ssh }],
  available_executors: [{ executor: { id: 5, secret: canary.keySecret } }],
  status: [canary.cookie]
}

type Fault = (response: ServerResponse, authorization: string) => void
const cookies = { "set-cookie": canary.cookie, "x-auth": canary.refreshToken }

const faults: Readonly<Record<string, Fault>> = {
  "bad JSON": (response) => response.writeHead(200, cookies).end(`{"token":"${canary.keySecret}","x":`),
  "wrong shape": (response) => json(response, 200, poisoned, cookies),
  "a bare text": (response) => json(response, 200, canary.keySecret, cookies),
  "a list": (response) => json(response, 200, [poisoned, canary.keySecret], cookies),
  "a redirect": (response) => bare(response, 302, { ...cookies, location: `https://x/?t=${canary.refreshToken}` }),
  "a cut body": (response) => {
    response.writeHead(200, { ...cookies, "content-length": "9999" }).write(`{"token":"${canary.keySecret}"`)
    setTimeout(() => response.destroy(), 5)
  },
  "a cut connection": (response) => response.destroy(),
  "a stall": () => {},
  "garbage": (response) => response.socket?.end(`HTTP/1.1 200 OK\r\n${canary.cookie}\r\n\r\n`),
  "an error in a log": (response, authorization) => {
    response.writeHead(200, { "content-type": "text/event-stream", ...cookies })
    response.end(`data:{"message":"no ${authorization}","stream":"error","timestamp":"t"}\n\n`)
  },
  "a bad event": (response) => {
    response.writeHead(200, { "content-type": "text/event-stream", ...cookies })
    response.end(`data:${JSON.stringify(poisoned)}\n\ndata:"${canary.environment}"\n\n`)
  }
}
for (const status of [400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503]) {
  const withEcho: Fault = (response, authorization) =>
    envelope(
      response,
      status,
      authorization,
      `Invalid header: ${authorization}, in short ${authorization.slice(7, 40)}`
    )
  const asText: Fault = (response, authorization) =>
    response.writeHead(status, { ...cookies, "x-request-id": authorization }).end(`<html>${authorization}</html>`)
  Object.assign(faults, { [`${status} with an echo`]: withEcho, [`${status} as text`]: asText })
}

const renderings = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<string> => {
  const everything = { depth: null, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null }
  if (Exit.isSuccess(exit)) return [inspect(exit, everything), JSON.stringify(exit)]
  const error = Cause.squash(exit.cause)
  assert.instanceOf(error, Error)
  return [
    String(error),
    error.message,
    error.stack ?? "",
    JSON.stringify(error),
    JSON.stringify(Object.getOwnPropertyDescriptors(error)),
    inspect(error, everything),
    inspect(error, { ...everything, customInspect: false }),
    Cause.pretty(exit.cause),
    inspect(exit, everything),
    JSON.stringify(exit),
    String(exit)
  ]
}

/** A program that keeps what is logged, in each format, and what is traced. */
const observed = () => {
  const logs: Array<string> = []
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const formats = [Logger.formatSimple, Logger.formatLogFmt, Logger.formatJson, Logger.formatStructured]
  const loggers = new Set(formats.map((format) =>
    Logger.map(format as Logger.Logger<unknown, unknown>, (text) => {
      logs.push(typeof text === "string" ? text : inspect(text, { depth: null }))
    })
  ))
  const run = <A, E>(call: Effect.Effect<A, E>) =>
    call.pipe(
      Effect.tapCause((cause) => Effect.logDebug("it failed", cause)),
      Effect.exit,
      Effect.withTracer(tracer),
      Effect.provideService(Logger.CurrentLoggers, loggers),
      Effect.provideService(References.MinimumLogLevel, "All")
    )
  const traces = () =>
    spans.map(({ attributes, events, name, status }) =>
      [
        inspect([name, attributes, events], { depth: null, showHidden: true }),
        status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
      ].join()
    )
  return { logs, run, traces, spans }
}

const clean = (text: string, where: string) => {
  const at = text.indexOf("canary")
  if (at !== -1) assert.fail(`${where}: ${text.slice(Math.max(0, at - 60), at + 60)}`)
}

const planted: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, Basilica.Services>]> = [
  ...operations.map(({ name, run }) => [name, run] as const),
  [
    "a deploy with secrets",
    Deployments.use((_) =>
      _.deploy({
        executorId: "e",
        image: "ubuntu",
        noSsh: true,
        environment: { PASSWORD: canary.environment },
        command: [canary.environment]
      }, { timeout: "30 millis" })
    )
  ],
  [
    "a password in an image",
    Deployments.use((_) =>
      _.deploy({ executorId: "e", image: `docker.io/u:${canary.imagePassword}@x`, noSsh: true, environment: {} })
    )
  ]
]

describe("a secret", () => {
  for (const [transport, connect] of transports) {
    for (const [fault, answer] of Object.entries(faults)) {
      it.live(`is shown nowhere after ${fault}, over ${transport}, whatever was called`, () =>
        Effect.gen(function*() {
          let last = false
          const server = yield* scriptedServer((response, { headers, method, url }) => {
            // A deploy looks at a list before it sends, and that look has to work.
            if (last && method === "GET") return void send(response, goodReply(method, url.split("?")[0] ?? ""))
            return answer(response, headers.authorization ?? "")
          })
          const { logs, run, spans, traces } = observed()
          for (const token of [canary.accessToken, canary.apiKey]) {
            for (const [name, call] of planted) {
              last = /deploy|image/.test(name)
              const exit = yield* run(Effect.provide(
                call,
                connect({ baseUrl: server.url, token, retry: atOnce, timeout: "60 millis", deployTimeout: "30 millis" })
              ))
              for (const text of renderings(exit)) clean(text, name)
            }
          }
          for (const text of logs) clean(text, "a log")
          for (const text of traces()) clean(text, "a span")
          clean(inspect(yield* Metric.snapshot, { depth: null }), "a metric")
          assert.isAbove(spans.length, planted.length)
          assert.isAbove(logs.length, 4)
        }), patience)
    }
  }

  it.live(
    "that was put in an environment is shown by no deploy, whose service repeats the line that it ran",
    () =>
      Effect.gen(function*() {
        const environment = {
          LONG: canary.environment,
          SHORT: "canary-8",
          QUOTED: "canary\n\"first\"\n\"second line\""
        }
        const line = (sent: typeof environment) =>
          Object.entries(sent).map(([name, one]) => `-e ${name}=${one}`).join(" ")
        const echoes: ReadonlyArray<(response: ServerResponse, status: number, sent: typeof environment) => void> = [
          (response, status, sent) =>
            envelope(response, status, "BASILICA_API_OTHER_ERROR", `docker run ${line(sent)} x`),
          (response, status, sent) => json(response, status, { error: `docker run ${line(sent)}` }),
          (response, status, sent) => json(response, status, { error: sent.SHORT, message: line(sent) }),
          (response, status, sent) => void response.writeHead(status).end(`failed with ${JSON.stringify(sent)}`),
          (response, status, sent) => void response.writeHead(status).end(`cut off: ${line(sent).slice(0, 28)}`),
          (response, status, { LONG }) => bare(response, status, { "x-request-id": LONG })
        ]
        const failures: Array<string> = []
        for (const [over, connect] of transports) {
          for (const status of [200, 400, 404, 422, 500, 502]) {
            for (const [index, echo] of echoes.entries()) {
              const server = yield* scriptedServer((response, { body, method }) =>
                method === "GET"
                  ? json(response, 200, { rentals: [], total_count: 0 })
                  : echo(response, status, (JSON.parse(body) as { environment: typeof environment }).environment)
              )
              const { logs, run, traces } = observed()
              const exit = yield* run(Effect.provide(
                Deployments.use((_) => _.deploy({ executorId: "e", image: "ubuntu", noSsh: true, environment })),
                connect({ baseUrl: server.url, token: canary.accessToken, retry: atOnce, deployTimeout: "200 millis" })
              ))
              assert.isTrue(Exit.isFailure(exit))
              for (const text of [...renderings(exit), ...logs, ...traces()]) {
                clean(text, `${status} with echo ${index} over ${over}`)
              }
              failures.push(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
            }
          }
        }
        assert.isAbove(failures.filter((text) => text.includes("-e LONG=<redacted>")).length, 8)
      }),
    patience
  )

  it.live("that was just made is shown to nobody who does not ask for it", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) =>
        json(response, 200, { name: "ci", created_at: "t", token: canary.keySecret })
      )
      const options = { baseUrl: server.url, token: canary.accessToken }
      for (const [, connect] of transports) {
        const { logs, run } = observed()
        const exit = yield* run(Effect.provide(
          Effect.tap(ApiKeys.use((_) => _.create("ci")), (key) => Effect.logDebug(key)),
          connect(options)
        ))
        for (const text of [...renderings(exit), ...logs]) clean(text, "a key")
      }
      const client = new BasilicaClient(options)
      const key = yield* Effect.promise(() => client.apiKeys.create("ci"))
      for (const text of [inspect(key, { depth: null, showHidden: true }), JSON.stringify(key), String(key.token)]) {
        clean(text, "a key")
      }
      clean(inspect(client, { depth: null, showHidden: true }), "the client")
      assert.strictEqual(key.token.reveal(), canary.keySecret)
      yield* Effect.promise(() => client.close())
    }))

  const program = fileURLToPath(new URL("./programs/crash.ts", import.meta.url))
  const ways = [
    "rejection",
    "exception",
    "effect",
    "die",
    "config",
    "logs",
    "own",
    "own-rejection",
    "own-cut",
    "own-garbage"
  ]
  it.live("is not in what Node prints for an error that nobody catches", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response, { headers, url }) => {
        if (url === "/cut") return response.destroy()
        if (url === "/garbage") return response.writeHead(200, cookies).end("{")
        return envelope(response, 500, "CODE", `no: ${headers.authorization}`)
      })
      const runs = ways.flatMap((how) => transports.map(([over]) => [how, over] as const))
      yield* Effect.forEach(runs, ([how, over]) =>
        Effect.gen(function*() {
          const printed = yield* Effect.callback<string>((resume) => {
            execFile(
              process.execPath,
              ["--conditions=basilica-sdk-source", program, server.url, canary.accessToken, how, over],
              (error, stdout, stderr) => resume(Effect.succeed(`${error?.code} ${stdout}${stderr}`))
            )
          })
          assert.match(printed, /^1 [^]*(?:Error|NotFound|RateLimited)/, how)
          clean(printed.replaceAll(program, ""), `${how} over ${over}`)
        }), { concurrency: 2 })
    }), patience)
})

const send = async (response: ServerResponse, reply: Response) => {
  response.writeHead(reply.status, Object.fromEntries(reply.headers))
  response.end(await reply.text())
}
