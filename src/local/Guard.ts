import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

const loopbackHost = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i

/**
 * Keeps web pages out of a server that runs commands. A request for a name that is not the loopback's own comes from a
 * page whose name was pointed here (DNS rebinding); one with an origin comes from a page. Both get a bare 403, except for
 * the server's own page and the origins in `cors`, which get the headers that a browser asks for.
 */
export const layer = (options: { readonly cors: ReadonlyArray<string> }) => {
  const cors = options.cors.length === 0 ? undefined : HttpMiddleware.cors({
    allowedOrigins: options.cors,
    allowedMethods: ["GET", "POST", "DELETE"],
    allowedHeaders: ["authorization", "content-type"]
  })
  return HttpRouter.middleware((handler) =>
    Effect.gen(function*() {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const { host, origin } = headers
      if (host === undefined || !loopbackHost.test(host)) return forbidden
      if (origin === undefined || origin === `http://${host}`) return yield* handler
      return cors !== undefined && options.cors.includes(origin) ? yield* cors(handler) : forbidden
    }), { global: true })
}

const forbidden = HttpServerResponse.empty({ status: 403 })
