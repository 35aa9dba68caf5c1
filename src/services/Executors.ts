/**
 * The machines that can be rented.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { NotFound } from "../errors/NotFound.ts"
import type { Executor } from "../schema/Executor.ts"
import type { ExecutorFilters } from "../schema/ExecutorFilters.ts"
import type { Listing } from "../schema/Listing.ts"
import { ExecutorFilterRules } from "../schema/wire/Executors.ts"
import { reader, readId } from "./Input.ts"
import { listExecutors } from "./internal/listExecutors.ts"
import { method } from "./internal/tracing.ts"
import { type CallError, Transport } from "./Transport.ts"

/** The machines that can be rented. */
export class Executors extends Context.Service<Executors, {
  /** Lists the machines that are free. A machine that cannot be understood is in `invalid`, beside the others. */
  listAvailable(filters?: ExecutorFilters): Effect.Effect<Listing<Executor>, ConfigurationError | CallError>
  /** Finds one machine among those that are free: the service has no route for a single one. */
  get(id: string): Effect.Effect<Executor, ConfigurationError | CallError | NotFound>
}>()("basilica-sdk/services/Executors") {
  /** The service over a `Transport`. */
  static readonly layer: Layer.Layer<Executors, never, Transport> = Layer.effect(
    Executors,
    Transport.useSync((transport) => make(transport))
  )
}

const make = (transport: Transport["Service"]): Executors["Service"] =>
  Executors.of({
    listAvailable: method("Executors.listAvailable")(function*(filters = {}) {
      const listing = yield* listExecutors(transport, "Executors.listAvailable", yield* readFilters(filters))
      yield* Effect.annotateCurrentSpan("executors", listing.items.length)
      return listing
    }),
    get: method("Executors.get")(function*(id) {
      yield* readId("Executors.get", id)
      yield* Effect.annotateCurrentSpan("executor", id)
      const { items } = yield* listExecutors(transport, "Executors.get", {})
      const found = items.find((executor) => executor.id === id)
      return found ?? (yield* Effect.fail(new NotFound({ operation: "Executors.get", resource: "executor", id })))
    })
  })

const readFilters = reader("Executors.listAvailable", ExecutorFilterRules, "filters")
