import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import type * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Url from "effect/http/Url"
import * as UrlParams from "effect/http/UrlParams"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Undici from "undici"
import { CallProgress } from "../services/CallProgress.ts"
import { bodyError, chunks, pull, type WithChunks } from "../services/ChunkSource.ts"
import { compileSchemas } from "./internal/compileSchemas.ts"
import { Connecting } from "./internal/Connecting.ts"
import { Exchange, type Head } from "./internal/Exchange.ts"
import { Agent } from "./internal/undici.ts"

/** {@link layer} with limits of your own: connections, proxies, TLS. Takes the options of undici's `Agent`. */
export const layerOptions = (options: Undici.Agent.Options): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          compileSchemas()
          const connecting = new Connecting()
          return { agent: new Agent({ factory: connecting.pool, ...options }), connecting }
        }),
        ({ agent, connecting }) =>
          Effect.promise(() => {
            connecting.destroy()
            return agent.destroy()
          })
      ),
      ({ agent }) => make(agent)
    )
  )

/**
 * The transport on Node: undici without its time limits on silence, which would end a deploy after 300 seconds. The
 * deadline of a call is the SDK's own, and covers connecting too.
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = layerOptions({
  headersTimeout: 0,
  bodyTimeout: 0,
  connect: { timeout: 0 }
})

const make = (agent: Undici.Agent): HttpClient.HttpClient => {
  const send = (request: HttpClientRequest.HttpClientRequest, url: URL, fiber: AnyFiber, signal?: AbortSignal) =>
    Effect.suspend(() => {
      const progress = fiber.getRef(CallProgress)
      if (progress !== undefined) progress.phase = "connect"
      const exchange = new Exchange(() => {
        if (progress !== undefined) progress.phase = "headers"
      })
      signal?.addEventListener("abort", exchange.abandon)
      if (progress !== undefined) progress.abandon = exchange.abandon
      const options: Undici.Dispatcher.DispatchOptions = {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: request.headers,
        body: bytes(request.body)
      }
      const failed = (cause: unknown) => {
        // What came in the place of a reply may be anything, and Node prints every property of an error.
        if (Predicate.hasProperty(cause, "data")) Reflect.deleteProperty(cause, "data")
        return new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
      }
      return Effect.try({ try: () => agent.dispatch(options, exchange), catch: failed }).pipe(
        Effect.andThen(Effect.mapError(exchange.takeHead(), failed)),
        Effect.map((head) => new UndiciResponse(request, url.href, head, exchange))
      )
    })
  const traced = HttpClient.make((request, url, signal, fiber) => send(request, url, fiber, signal))
  // The request of a call of this SDK that nobody traces needs nothing of what that client does around it.
  return HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    (made) =>
      Effect.flatMap(made, (request) =>
        Effect.withFiber((fiber) => {
          const isOwn = fiber.getRef(CallProgress) !== undefined && fiber.getRef(HttpClient.TracerDisabledWhen)(request)
          const url = isOwn ? Url.make(request.url, request.urlParams, undefined) : undefined
          return url === undefined || Result.isFailure(url)
            ? traced.execute(request)
            : send(request, url.success, fiber)
        })),
    Effect.succeed
  )
}

type AnyFiber = Pick<Fiber.Fiber<unknown, unknown>, "getRef">

/** `Transport` sends nothing or bytes; the escape hatch may send more, and gets a clear error. */
const bytes = (body: HttpBody.HttpBody): Uint8Array | string | null => {
  if (body._tag === "Empty") return null
  if (body._tag === "Uint8Array") return body.body
  if (body._tag === "Raw" && typeof body.body === "string") return body.body
  throw new TypeError(`A request body of kind ${body._tag} is not supported; send text, JSON or bytes.`)
}

class UndiciResponse extends Inspectable.Class implements WithChunks {
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly remoteAddress: Option.Option<string> = Option.none()
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  #headers: Headers.Headers | undefined
  readonly #head: Head
  readonly #exchange: Exchange

  constructor(request: HttpClientRequest.HttpClientRequest, url: string, head: Head, exchange: Exchange) {
    super()
    this.request = request
    this.url = url
    this.#head = head
    this.#exchange = exchange
  }

  get status(): number {
    return this.#head.status
  }

  /** No property of its own: those are what Node prints of an error that holds a reply and that nobody catches. */
  get headers(): Headers.Headers {
    return this.#headers ??= Headers.fromInput(this.#head.headers as Headers.Input)
  }

  get cookies(): Cookies.Cookies {
    const header = this.#head.headers["set-cookie"]
    return header === undefined ? Cookies.empty : Cookies.fromSetCookie(header)
  }

  /** Pulled: nothing is read before it is asked for. Who stops reading closes the connection, also while waiting. */
  get stream(): Stream.Stream<Uint8Array, HttpClientError.HttpClientError> {
    return Stream.unwrap(Effect.as(
      Effect.addFinalizer(() => Effect.sync(this.#exchange.abandon)),
      Stream.mapError(Stream.fromPull(Effect.succeed(pull(this.#exchange))), (cause) => bodyError(this, cause))
    ))
  }

  get [chunks](): Exchange {
    return this.#exchange
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.HttpClientError> {
    return Stream.mkArrayBuffer(this.stream)
  }

  get text(): Effect.Effect<string, HttpClientError.HttpClientError> {
    return Effect.map(this.arrayBuffer, (buffer) => new TextDecoder().decode(buffer))
  }

  get json(): Effect.Effect<Schema.Json, HttpClientError.HttpClientError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: () => text === "" ? null : JSON.parse(text) as Schema.Json,
        catch: (cause) => bodyError(this, cause)
      }))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.HttpClientError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<never, HttpClientError.HttpClientError> {
    return Effect.fail(bodyError(this, new TypeError("Form data is not supported")))
  }

  get upgrade(): Effect.Effect<never, HttpClientError.HttpClientError> {
    return Effect.fail(bodyError(this, new TypeError("Upgrades are not supported")))
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, { _id: "HttpClientResponse", status: this.status })
  }

  pipe(): unknown {
    return pipeArguments(this, arguments)
  }
}
