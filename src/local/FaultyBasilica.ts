import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Record from "effect/Record"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { bytesOf, type Fault, type FaultPace, isOrderly } from "../faults/Fault.ts"
import type { FaultScript } from "../faults/FaultScript.ts"
import { loopback } from "./PortForward.ts"

/** Options of {@link FaultyBasilica.layer}. */
export interface FaultyBasilicaOptions {
  /** The service behind it, such as the `url` of a `LocalBasilica` or a `MemoryBasilica`. */
  readonly service: string
  /** What goes wrong. It also remembers what came in. */
  readonly faults: FaultScript
  /** A key and a certificate in PEM, to speak https. Default: http. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}

/**
 * A server on the loopback between a client and a Basilica, where connections break, replies are lost and bytes go astray
 * as a `FaultScript` says: for tests of your own programs over real sockets.
 *
 * @example
 * ```ts
 * import { FaultyBasilica, LocalBasilica } from "basilica-sdk/local"
 * import { NodeHttpClient } from "basilica-sdk/node"
 * import { FaultScript } from "basilica-sdk/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const faults = new FaultScript([{ on: "DELETE /rentals", times: 1, fault: { after: "work", end: "reset" } }])
 * const service = Layer.unwrap(LocalBasilica.use(({ url }) =>
 *   Effect.succeed(FaultyBasilica.layer({ service: url, faults }))
 * )).pipe(Layer.provide(NodeHttpClient.layer), Layer.provideMerge(LocalBasilica.layer()))
 *
 * const program = FaultyBasilica.use(({ url }) => Effect.log(`point your program at ${url}`))
 * Effect.runPromise(Effect.provide(program, service))
 * ```
 */
export class FaultyBasilica extends Context.Service<FaultyBasilica, {
  /** Where clients find it, such as `http://127.0.0.1:41234`. */
  readonly url: string
  /** How many connections are open. */
  readonly connections: Effect.Effect<number>
}>()("basilica-sdk/local/FaultyBasilica") {
  /** A server that runs for as long as the layer does. The `HttpClient` leads to the service. */
  static readonly layer = (
    options: FaultyBasilicaOptions
  ): Layer.Layer<FaultyBasilica, never, HttpClient.HttpClient> => Layer.effect(FaultyBasilica, make(options))
}

const make = Effect.fnUntraced(function*({ faults, service, tls }: FaultyBasilicaOptions) {
  const client = yield* HttpClient.HttpClient
  const run = yield* FiberSet.makeRuntime<never, void>()
  const sockets = new Set<Net.Socket>()
  const served = new WeakSet<Net.Socket>()

  const answer = (incoming: Http.IncomingMessage, outgoing: Http.ServerResponse) => {
    const { method = "GET", url = "/" } = incoming
    const { socket } = incoming
    const fault = faults.onRequest(method, new URL(url, service).pathname, served.has(socket))
    served.add(socket)
    const fiber = run(
      handle(incoming, outgoing, fault).pipe(
        Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.sync(() => socket.destroy()))
      )
    )
    outgoing.once("close", () => fiber.interruptUnsafe())
  }

  /** Has the service do the work. */
  const forward = (incoming: Http.IncomingMessage, body: Uint8Array) => {
    const request = HttpClientRequest.make(incoming.method as "GET")(`${service}${incoming.url}`, {
      headers: Record.filter(incoming.headers, (_, name) => name !== "host" && !framing.has(name)),
      ...(body.length === 0 ? {} : { body: HttpBody.uint8Array(body, incoming.headers["content-type"]) })
    })
    return client.execute(request)
  }

  const handle = Effect.fnUntraced(
    function*(incoming: Http.IncomingMessage, outgoing: Http.ServerResponse, fault: Fault | undefined) {
      if (fault?.after === "head" && fault.reply === undefined) {
        yield* end(incoming.socket, fault)
        return
      }
      const body = yield* Effect.tryPromise(() => readAll(incoming))
      const works = fault === undefined || fault.after === "work"
      const own = works ? yield* replyOf(yield* forward(incoming, body)) : undefined
      const reply = fault?.reply === undefined ? own : madeUp(fault)
      if (fault !== undefined && !isOrderly(fault)) {
        yield* reply === undefined ? end(incoming.socket, fault) : disorderly(incoming.socket, reply, fault)
      } else if (reply !== undefined) {
        yield* respond(outgoing, reply)
        if (fault !== undefined) faults.happened(fault)
      }
    }
  )

  /** Writes to the bare socket, and leaves it as the fault says. */
  const disorderly = Effect.fnUntraced(function*(socket: Net.Socket, reply: Reply, fault: Fault) {
    const { cut, pace, wire = {} } = fault
    const chunked = wire.chunked === true || reply.length === undefined
    const head = Buffer.from([
      `${wire.before ?? ""}HTTP/1.1 ${reply.status} ${Http.STATUS_CODES[reply.status] ?? "Unknown"}`,
      ...reply.headers.map(([name, value]) => `${name}: ${value}`),
      ...wire.lines ?? [],
      "connection: close",
      chunked ? "transfer-encoding: chunked" : `content-length: ${reply.length}`,
      "\r\n"
    ].join("\r\n"))
    const limit = cut !== undefined && "body" in cut ? cut.body : Number.POSITIVE_INFINITY
    const headLimit = cut === undefined
      ? fault.end === undefined ? head.length : 0
      : "head" in cut
      ? cut.head
      : head.length
    let left = limit
    const framed = reply.body.pipe(
      Stream.takeWhile(() => left > 0),
      Stream.map((bytes) => {
        const part = bytes.subarray(0, Math.min(bytes.length, left))
        left -= part.length
        if (!chunked) return part
        const whole = part.length === bytes.length
        return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), part, Buffer.from(whole ? "\r\n" : "")])
      }),
      Stream.takeUntil(() => left <= 0)
    )
    const body = headLimit < head.length || limit === 0 ? Stream.empty : framed
    const last = cut !== undefined || fault.end !== undefined ? "" : `${chunked ? "0\r\n\r\n" : ""}${wire.behind ?? ""}`
    const all = Stream.concat(
      Stream.concat(Stream.succeed<Uint8Array>(head.subarray(0, headLimit)), body),
      Stream.succeed<Uint8Array>(Buffer.from(last))
    )
    if (pace !== undefined || cut === undefined) faults.happened(fault)
    let isHead = true
    yield* Stream.runForEach(all, (bytes) => {
      const atOnce = pace === undefined || (isHead && pace.from === "body")
      isHead = false
      return atOnce ? write(socket, bytes) : slowly(socket, bytes, pace)
    })
    yield* end(socket, fault, pace === undefined && cut !== undefined)
  })

  const end = (socket: Net.Socket, fault: Fault, isNew = true) =>
    Effect.suspend(() => {
      if (isNew) faults.happened(fault)
      if (fault.end === "stall") return Effect.never
      if (fault.end === "reset") socket.resetAndDestroy()
      else socket.end(() => socket.destroySoon())
      return Effect.void
    })

  const inner = tls === undefined ? Http.createServer(answer) : Https.createServer(tls, answer)
  inner.requestTimeout = 0
  inner.headersTimeout = 0
  inner.keepAliveTimeout = 0
  inner.on("tlsClientError", (_, socket) => socket.destroy())
  const outer = Net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.once("close", () => sockets.delete(socket))
    const fault = faults.onConnection()
    if (fault === undefined) inner.emit("connection", socket)
    else run(end(socket, fault))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      outer.listen(0, loopback, () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        outer.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  const { port } = outer.address() as Net.AddressInfo
  return FaultyBasilica.of({
    url: `${tls === undefined ? "http" : "https"}://${loopback}:${port}`,
    connections: Effect.sync(() => sockets.size)
  })
})

/** A reply on its way to a client. */
interface Reply {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  /** `undefined` where it is not known before the end. */
  readonly length: number | undefined
  readonly body: Stream.Stream<Uint8Array, unknown>
}

/** A reply whose length is not known is read whole first, unless it is a log, which may have no end. */
const replyOf = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse) {
  const { headers, status } = response
  const body = Stream.catchIf(response.stream, (error) => error.reason._tag === "EmptyBodyError", () => Stream.empty)
    .pipe(
      Stream.filter(({ length }) => length > 0)
    )
  const reply: Reply = {
    status,
    headers: Object.entries(headers).filter(([name]) => !framing.has(name)),
    length: headers["content-length"] === undefined ? undefined : Number(headers["content-length"]),
    body
  }
  if (reply.length !== undefined || headers["content-type"]?.startsWith("text/event-stream") === true) return reply
  const bytes = Buffer.concat(yield* Stream.runCollect(body))
  return { ...reply, length: bytes.length, body: Stream.succeed<Uint8Array>(bytes) }
})

const framing = new Set(["content-length", "transfer-encoding", "connection", "keep-alive"])

const madeUp = (fault: Fault): Reply => {
  const { body = "", headers = {}, status } = fault.reply ?? { status: 200 }
  const length = typeof body === "object" && "repeat" in body
    ? Buffer.byteLength(body.repeat) * body.times
    : Buffer.byteLength(body)
  return { status, headers: Object.entries(headers), length, body: Stream.fromIterable(bytesOf(body)) }
}

const respond = Effect.fnUntraced(function*(outgoing: Http.ServerResponse, reply: Reply) {
  outgoing.writeHead(
    reply.status,
    [
      ...reply.headers,
      ...(reply.length === undefined || reply.status === 204 ? [] : [["content-length", String(reply.length)] as const])
    ].flat()
  )
  outgoing.flushHeaders()
  yield* Stream.runForEach(reply.body, (bytes) => write(outgoing, bytes))
  outgoing.end()
})

/** Writes, and waits until there is room for more. */
const write = (to: Net.Socket | Http.ServerResponse, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (bytes.length === 0 || to.destroyed || to.write(bytes)) return resume(Effect.void)
    const go = () => {
      to.off("drain", go)
      to.off("close", go)
      resume(Effect.void)
    }
    to.on("drain", go)
    to.on("close", go)
  })

/** Pauses shorter than a timer can make are saved up. */
const slowly = (socket: Net.Socket, bytes: Uint8Array, pace: FaultPace): Effect.Effect<void> =>
  Effect.gen(function*() {
    const every = Duration.toMillis(pace.every)
    let due = 0
    for (let start = 0; start < bytes.length && !socket.destroyed; start += pace.bytes) {
      due += pace.jitter === true ? every * (yield* Random.next) : every
      if (due >= 1) {
        yield* Effect.sleep(due)
        due = 0
      }
      yield* write(socket, bytes.subarray(start, start + pace.bytes))
      if (start % 16 === 0) yield* Effect.yieldNow
    }
  })

const readAll = async (incoming: Http.IncomingMessage): Promise<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of incoming) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}
