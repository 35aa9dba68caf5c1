import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import { LocalBasilica, type LocalBasilicaOptions } from "../../src/local/LocalBasilica.ts"

export interface Reply {
  readonly status: number
  readonly text: string
  readonly headers: Http.IncomingHttpHeaders
  // The tests say what they expect of it.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

/** A request with each header as it is given, which `fetch` would not send. */
export const request = (
  url: string,
  options: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: unknown } = {}
): Effect.Effect<Reply> =>
  Effect.callback((resume) => {
    const sent = Http.request(
      url,
      { method: options.method ?? "GET", headers: options.headers ?? {}, agent: false },
      (reply) => {
        let text = ""
        reply.setEncoding("utf8").on("data", (chunk: string) => text += chunk).on(
          "error",
          (error) => resume(Effect.die(error))
        )
          .on("end", () =>
            resume(Effect.sync(() => ({
              status: reply.statusCode ?? 0,
              text,
              headers: reply.headers,
              json: reply.headers["content-type"] === "application/json" ? JSON.parse(text) : undefined
            }))))
      }
    )
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(options.body === undefined ? undefined : JSON.stringify(options.body))
    return Effect.sync(() => sent.destroy())
  })

/** A client of a server that is there. */
export const client = (url: string, token: string) => {
  const call = (method: string, path: string, body?: unknown) =>
    request(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" })
      },
      body
    })

  return {
    url,
    token,
    call,
    /** Rents any machine for a command. */
    run: (command: ReadonlyArray<string>, changes: Record<string, unknown> = {}) =>
      call("POST", "/rentals", {
        executor_selection: { type: "gpu_requirements", gpu_requirements: { min_memory_gb: 0, gpu_count: 0 } },
        container_image: "ubuntu:24.04",
        ssh_public_key: "ssh-ed25519 AAAA me@host",
        no_ssh: true,
        command,
        ...changes
      }),
    /** The messages of a log, to its end. */
    messages: (id: string, query = "?follow=true") =>
      Effect.map(call("GET", `/rentals/${id}/logs${query}`), ({ text }) => events(text).map(({ message }) => message)),
    /** Follows a log until a line fits, and says what fitted. */
    until: (id: string, pattern: RegExp): Effect.Effect<RegExpExecArray> =>
      Effect.callback<RegExpExecArray>((resume) => {
        const sent = Http.get(`${url}/rentals/${id}/logs?follow=true`, {
          headers: { authorization: token },
          agent: false
        }, (reply) => {
          let text = ""
          reply.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk
            const found = events(text).map(({ message }) => pattern.exec(message)).find((one) => one !== null)
            if (found === undefined) return
            resume(Effect.succeed(found))
            sent.destroy()
          }).on("end", () => resume(Effect.die(`no line like ${pattern} in ${text}`)))
        })
        // A line that fits ends the request too.
        sent.on("error", () => undefined)
        return Effect.sync(() => sent.destroy())
      })
  }
}

/** A server for the test's scope, and a client for each tenant. */
export const local = Effect.fnUntraced(function*(options: LocalBasilicaOptions = {}) {
  const basilica = yield* Effect.provide(
    LocalBasilica,
    yield* Layer.build(LocalBasilica.layer({ stopGrace: "5 seconds", ...options }))
  )
  const [first, ...others] = basilica.tenants.map(({ token }) => client(basilica.url, Redacted.value(token)))
  if (first === undefined) return yield* Effect.die("no tenant")
  return { ...basilica, ...first, others }
})

export const events = (
  text: string
): ReadonlyArray<{ readonly message: string; readonly stream: string; readonly timestamp: string }> =>
  text.split("\n\n").slice(0, -1).map((event) => JSON.parse(event.slice("data:".length)))

/** Whether a process runs; one that has ended and waits for its parent does not. */
export const isAlive = (pid: number | string): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    const { readFile } = await import("node:fs/promises")
    try {
      process.kill(Number(pid), 0)
    } catch {
      return false
    }
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") R")
    return !/\) [ZX]/.test(stat)
  })

/** Waits for a process to be gone. */
export const gone = (pid: number | string): Effect.Effect<void> =>
  Effect.flatMap(isAlive(pid), (alive) => alive ? Effect.andThen(Effect.sleep("5 millis"), gone(pid)) : Effect.void)
