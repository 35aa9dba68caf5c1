import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as Headers from "effect/http/Headers"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type { unhandled } from "effect/Types"
import { jsonOf } from "../schema/jsonOf.ts"
import { ErrorEnvelope } from "../schema/wire/Served.ts"
import * as Body from "./Body.ts"
import * as Refusals from "./Refusals.ts"
import { type Rental, Rentals } from "./Rentals.ts"
import { type Caller, Tenants } from "./Tenants.ts"

/** The scope that a route asks for, such as `rentals:list`. */
export class RequiredScope extends Context.Service<RequiredScope, string>()("basilica-sdk/server/RequiredScope") {}

/** Who makes the request. */
export class CurrentCaller extends Context.Service<CurrentCaller, Caller>()("basilica-sdk/server/CurrentCaller") {}

/** The rental that the path names. */
export class CurrentRental extends Context.Service<CurrentRental, Rental>()("basilica-sdk/server/CurrentRental") {}

/**
 * Lets those in who are known (else 401) and may do what the route does (else a bare 403), and answers a bare 408 where the
 * answer takes too long.
 */
export class Authenticated extends HttpApiMiddleware.Service<Authenticated, { provides: CurrentCaller }>()(
  "basilica-sdk/server/Authenticated",
  {
    security: { bearer: HttpApiSecurity.bearer },
    error: [ErrorEnvelope.pipe(HttpApiSchema.status(401)), HttpApiSchema.Empty(403), HttpApiSchema.Empty(408)]
  }
) {
  static readonly layer = (options: {
    readonly requestTimeout: Duration.Input
  }): Layer.Layer<Authenticated, never, Tenants> =>
    Layer.effect(
      Authenticated,
      Effect.map(Tenants, (tenants) => ({
        bearer: (handler, { endpoint }) =>
          Effect.gen(function*() {
            // The service takes the header without "Bearer" too, which the decoded credential would not show.
            const { headers } = yield* HttpServerRequest.HttpServerRequest
            const caller = yield* tenants.authenticate(headers["authorization"])
            const scope = Context.getOrUndefined(endpoint.annotations, RequiredScope)
            if (scope === undefined || !covers(caller.scopes, scope)) return yield* Refusals.empty(403)
            return yield* Effect.provideService(handler, CurrentCaller, caller)
          }).pipe(Refusals.respond, answersWithin(options.requestTimeout))
      }))
    )
}

/** What cannot be interrupted, a start or a stop, goes on behind the 408. */
const answersWithin =
  (limit: Duration.Input) =>
  <E, R>(answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>): typeof answer =>
    Effect.flatMap(
      Effect.forkDetach(answer, { startImmediately: true, uninterruptible: "inherit" }),
      (answering) =>
        Effect.raceFirst(
          Effect.interruptible(Fiber.join(answering)),
          Effect.interruptible(Effect.as(Effect.sleep(limit), undefined))
        ).pipe(
          Effect.map((reply) => {
            if (reply !== undefined) return reply
            answering.interruptUnsafe()
            return HttpServerResponse.empty({ status: 408 })
          }),
          Effect.onInterrupt(() => Fiber.interrupt(answering))
        )
    )

const covers = (scopes: ReadonlyArray<string>, required: string): boolean =>
  scopes.some((scope) => scope === required || (scope.endsWith(":*") && required.startsWith(scope.slice(0, -1))))

/** Lets people in, and API keys not, whose 401 no other token of the same kind would cure. */
export class Human extends HttpApiMiddleware.Service<Human, { requires: CurrentCaller }>()(
  "basilica-sdk/server/Human"
) {
  static readonly layer: Layer.Layer<Human> = Layer.succeed(
    Human,
    (handler) =>
      Effect.flatMap(CurrentCaller, (caller) =>
        caller.human
          ? handler
          : Refusals.toResponse(
            Refusals.unauthenticated("API key management requires human authentication (JWT)")
          ))
  )
}

/** Answers a bare 404 for a rental that is not there or is another's, before anything else of the request is read. */
export class Owned extends HttpApiMiddleware.Service<Owned, { provides: CurrentRental; requires: CurrentCaller }>()(
  "basilica-sdk/server/Owned"
) {
  static readonly layer: Layer.Layer<Owned, never, Rentals> = Layer.effect(
    Owned,
    Effect.map(Rentals, (rentals) => (handler) =>
      Effect.gen(function*() {
        const caller = yield* CurrentCaller
        const { rental_id } = yield* HttpRouter.params
        const rental = yield* rentals.find(caller.tenant, rental_id ?? "")
        if (rental === undefined) return yield* Refusals.empty(404)
        return yield* Effect.provideService(handler, CurrentRental, rental)
      }).pipe(Refusals.respond))
  )
}

/** Answers what cannot be read as the web framework of the service does: with plain text, and 400, 415 or 422. */
export class FrameworkRefusals extends HttpApiMiddleware.Service<FrameworkRefusals>()(
  "basilica-sdk/server/FrameworkRefusals"
) {
  static readonly layer: Layer.Layer<FrameworkRefusals> = Layer.succeed(
    FrameworkRefusals,
    Effect.fnUntraced(function*(handler, { endpoint }) {
      let request = yield* HttpServerRequest.HttpServerRequest
      let body = ""
      if (endpoint.payload.size > 0) {
        if (!isJsonType(request.headers["content-type"])) {
          return yield* Refusals.text(415, "Expected request with `Content-Type: application/json`")
        }
        // Any `application/*+json` is taken, which what decodes it knows by its plain name alone.
        request = request.modify({ headers: Headers.set(request.headers, "content-type", "application/json") })
        // Kept by the request, so it is read once.
        body = yield* Body.readText(request)
      }
      return yield* Effect.catchIf(
        Effect.provideService(handler, HttpServerRequest.HttpServerRequest, request),
        (error: unknown): error is unhandled & HttpApiError.HttpApiSchemaError =>
          HttpApiError.HttpApiSchemaError.is(error),
        (error) => Effect.fail(refusalOf(error, body))
      )
    }, Refusals.respond)
  )
}

const refusalOf = (error: HttpApiError.HttpApiSchemaError, body: string): Refusals.Refusal => {
  const words = error.cause.message
  if (error.kind !== "Payload") return Refusals.text(400, `Failed to deserialize query string: ${words}`)
  return jsonOf(body) !== undefined
    ? Refusals.text(422, `Failed to deserialize the JSON body into the target type: ${words}`)
    : Refusals.text(400, `Failed to parse the request body as JSON: ${words}`)
}

const isJsonType = (contentType: string | undefined): boolean =>
  /^application\/(?:[^;]+\+)?json\s*(?:;|$)/i.test(contentType ?? "")
