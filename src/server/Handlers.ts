import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { BasilicaApi } from "./BasilicaApi.ts"
import { ContainerFailure } from "./ContainerRuntime.ts"
import { CurrentCaller, CurrentRental } from "./Gates.ts"
import * as LogFormat from "./LogFormat.ts"
import * as Refusals from "./Refusals.ts"
import { Rentals } from "./Rentals.ts"
import { Tenants } from "./Tenants.ts"
import * as WireTime from "./WireTime.ts"

/** The version that `GET /health` says. */
const version = "0.1.0"

export const health = HttpApiBuilder.group(
  BasilicaApi,
  "health",
  (handlers) =>
    handlers.handle("check", () =>
      Effect.map(Clock.currentTimeNanos, (now) => ({
        status: "healthy",
        version,
        timestamp: WireTime.utc(now),
        healthyValidators: 1,
        totalValidators: 1
      })))
)

export const executors = HttpApiBuilder.group(
  BasilicaApi,
  "executors",
  Effect.fnUntraced(function*(handlers) {
    const rentals = yield* Rentals
    return handlers.handle("list", ({ query }) => Refusals.respond(rentals.available(query)))
  })
)

export const rentals = (options: { readonly requestTimeout: Duration.Input }) =>
  HttpApiBuilder.group(
    BasilicaApi,
    "rentals",
    Effect.fnUntraced(function*(handlers) {
      const all = yield* Rentals
      return handlers.handleAll({
        list: Effect.fnUntraced(function*({ query }) {
          const { tenant } = yield* CurrentCaller
          const items = yield* all.list(tenant, query.status)
          return { rentals: items, totalCount: items.length }
        }),
        start: {
          // A caller that goes away must not leave a container that no list shows.
          options: { uninterruptible: true },
          handler: ({ payload }) =>
            Effect.flatMap(CurrentCaller, ({ tenant }) => Refusals.respond(all.start(tenant, payload)))
        },
        get: () => Effect.flatMap(CurrentRental, (rental) => Refusals.respond(all.status(rental))),
        stop: {
          options: { uninterruptible: true },
          handler: () => Effect.flatMap(CurrentRental, (rental) => Refusals.respond(all.stop(rental)))
        },
        logs: ({ query }) =>
          Effect.gen(function*() {
            const { container } = yield* CurrentRental
            const events = yield* Effect.mapError(
              container.logs({ follow: query.follow === "true", tail: query.tail }),
              ({ message }) => Refusals.validatorUnreachable(`Failed to stream logs: ${message}`)
            )
            // Node sends the head with the first bytes, be they none: a log may have no line for hours.
            const body = Stream.concat(Stream.succeed(new Uint8Array(0)), withLimit(events, options.requestTimeout))
            return HttpServerResponse.stream(body, {
              contentType: "text/event-stream",
              headers: { "cache-control": "no-cache" }
            })
          }).pipe(Refusals.respond)
      })
    })
  )

/**
 * Ends a log as the service does when its own reader breaks off or its time is up: with one event that says so, in the
 * midst of a good answer.
 */
const withLimit = (
  events: Stream.Stream<Uint8Array, ContainerFailure>,
  limit: Duration.Input
): Stream.Stream<Uint8Array> =>
  events.pipe(
    Stream.interruptWhen(
      Effect.andThen(
        Effect.sleep(limit),
        Effect.fail(new ContainerFailure({ message: "error decoding response body: operation timed out" }))
      )
    ),
    Stream.catch(({ message }) =>
      Stream.fromEffect(Effect.map(Clock.currentTimeNanos, (now) =>
        encoder.encode(LogFormat.event("error", WireTime.utc(now), `Stream error: ${message}`))))
    )
  )

const encoder = new TextEncoder()

export const apiKeys = HttpApiBuilder.group(
  BasilicaApi,
  "apiKeys",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    return handlers.handleAll({
      create: ({ payload }) =>
        Effect.flatMap(
          CurrentCaller,
          (caller) => Refusals.respond(tenants.createKey(caller, payload.name, payload.scopes ?? undefined))
        ),
      list: () => Effect.flatMap(CurrentCaller, (caller) => tenants.keys(caller)),
      revoke: ({ params }) =>
        Effect.flatMap(CurrentCaller, (caller) => Refusals.respond(tenants.revokeKey(caller, params.name)))
    })
  })
)
