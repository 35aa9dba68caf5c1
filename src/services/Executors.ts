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
import { AvailableExecutorWire, ExecutorFilterRules, executorsQuery, toExecutor } from "../schema/wire/Executors.ts"
import { decodeListing } from "../schema/wire/Listing.ts"
import { reader, readId } from "./internal/Input.ts"
import { warnOfInvalid } from "./internal/warnOfInvalid.ts"
import { type CallError, Transport } from "./Transport.ts"

/** The machines that can be rented. */
export class Executors extends Context.Service<Executors, {
  /** Lists the machines that are free. A machine that cannot be understood is in `invalid`, beside the others. */
  listAvailable(filters?: ExecutorFilters): Effect.Effect<Listing<Executor>, ConfigurationError | CallError>
  /** Finds one machine among those that are free: the service has no route for a single one. */
  get(id: string): Effect.Effect<Executor, ConfigurationError | CallError | NotFound>
}>()("basilica-sdk/services/Executors") {
  /** For `Basilica.layer`, which makes a new layer for each set of options. */
  static readonly make: Effect.Effect<Executors["Service"], never, Transport> = Effect.map(
    Transport,
    (transport) => make(transport)
  )

  static readonly layer: Layer.Layer<Executors, never, Transport> = Layer.effect(Executors, Executors.make)
}

const make = (transport: Transport["Service"]): Executors["Service"] => {
  const list = (operation: string, filters: ExecutorFilters) =>
    Effect.tap(
      transport.request({
        operation,
        method: "GET",
        path: ["executors"],
        query: executorsQuery(filters),
        scope: "executors:list",
        decode
      }),
      (listing) => warnOfInvalid(operation, listing)
    )

  return Executors.of({
    listAvailable: Effect.fn("Executors.listAvailable")(function*(filters = {}) {
      const listing = yield* list("Executors.listAvailable", yield* readFilters(filters))
      yield* Effect.annotateCurrentSpan("executors", listing.items.length)
      return listing
    }),
    get: Effect.fn("Executors.get")(function*(id) {
      yield* readExecutorId(id)
      yield* Effect.annotateCurrentSpan("executor", id)
      const { items } = yield* list("Executors.get", {})
      const found = items.find((executor) => executor.id === id)
      return found ?? (yield* Effect.fail(new NotFound({ operation: "Executors.get", resource: "executor", id })))
    })
  })
}

const readFilters = reader("Executors.listAvailable", ExecutorFilterRules, "filters")
const readExecutorId = readId("Executors.get")
const decode = decodeListing("available_executors", AvailableExecutorWire, {
  toDomain: toExecutor,
  idOf: (raw) => (raw as { executor?: { id?: unknown } } | null)?.executor?.id
})
