import * as Effect from "effect/Effect"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import type * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as UrlParams from "effect/http/UrlParams"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Agent, type Dispatcher } from "undici"
import { CallProgress } from "../services/CallProgress.ts"
import { readableStream } from "./internal/readableStream.ts"

/** {@link layer} with limits of your own: connections, proxies, TLS. Takes the options of undici's `Agent`. */
export const layerOptions = (options: Agent.Options): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new Agent(options)),
        (agent) => Effect.promise(() => agent.destroy())
      ),
      (agent) => make(agent)
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

const make = (agent: Agent): HttpClient.HttpClient => {
  const dispatcher = agent.compose(reportStart)
  return HttpClient.make((request, url, signal, fiber) => {
    const progress = fiber.getRef(CallProgress)
    progress.phase = "connect"
    const options = (): Options => ({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: request.headers,
      body: bytes(request.body),
      signal,
      onStart: () => {
        progress.phase = "headers"
      }
    })
    return Effect.map(
      Effect.tryPromise({
        try: () => dispatcher.request(options()),
        catch: (cause) =>
          new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
      }),
      (response) => new UndiciResponse(request, url.href, response)
    )
  })
}

interface Options extends Dispatcher.RequestOptions {
  readonly onStart?: () => void
}

/** Tells when a request has a connection and begins to be written. */
const reportStart: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
  dispatch(options, {
    ...forward(handler),
    onRequestStart: (controller, context) => {
      const { onStart } = options as Options
      onStart?.()
      handler.onRequestStart?.(controller, context)
    }
  })

const forward = (handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler => ({
  onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
  onResponseStart: (...args) => handler.onResponseStart?.(...args),
  onResponseData: (...args) => handler.onResponseData?.(...args),
  onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
  onResponseError: (...args) => handler.onResponseError?.(...args)
})

/** `Transport` sends nothing or bytes; the escape hatch may send more, and gets a clear error. */
const bytes = (body: HttpBody.HttpBody): Uint8Array | string | null => {
  if (body._tag === "Empty") return null
  if (body._tag === "Uint8Array") return body.body
  if (body._tag === "Raw" && typeof body.body === "string") return body.body
  throw new TypeError(`A request body of kind ${body._tag} is not supported; send text, JSON or bytes.`)
}

class UndiciResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly remoteAddress: Option.Option<string> = Option.none()
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: string
  readonly #source: Dispatcher.ResponseData

  constructor(request: HttpClientRequest.HttpClientRequest, url: string, source: Dispatcher.ResponseData) {
    super()
    this.request = request
    this.url = url
    this.#source = source
    // Without a listener a connection that breaks before the body is read would be an uncaught exception.
    source.body.on("error", () => {})
  }

  get status(): number {
    return this.#source.statusCode
  }

  get headers(): Headers.Headers {
    return Headers.fromInput(this.#source.headers as Headers.Input)
  }

  get cookies(): Cookies.Cookies {
    const header = this.#source.headers["set-cookie"]
    return header === undefined ? Cookies.empty : Cookies.fromSetCookie(header)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.HttpClientError> {
    return readableStream(this.#source.body, (cause) => this.#decodeError(cause))
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
        catch: (cause) => this.#decodeError(cause)
      }))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.HttpClientError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<never, HttpClientError.HttpClientError> {
    return Effect.fail(this.#decodeError(new TypeError("Form data is not supported")))
  }

  get upgrade(): Effect.Effect<never, HttpClientError.HttpClientError> {
    return Effect.fail(this.#decodeError(new TypeError("Upgrades are not supported")))
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, { _id: "HttpClientResponse", status: this.status })
  }

  pipe(): unknown {
    return pipeArguments(this, arguments)
  }

  #decodeError(cause: unknown): HttpClientError.HttpClientError {
    return new HttpClientError.HttpClientError({
      reason: new HttpClientError.DecodeError({ request: this.request, response: this, cause })
    })
  }
}
