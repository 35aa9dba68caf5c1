import * as Effect from "effect/Effect"
import type { Executor } from "../../schema/Executor.ts"
import type { ExecutorFilters } from "../../schema/ExecutorFilters.ts"
import type { Listing } from "../../schema/Listing.ts"
import { AvailableExecutorRead, executorsQuery, toExecutor } from "../../schema/wire/Executors.ts"
import { decodeListing } from "../../schema/wire/Listing.ts"
import type { CallError, Transport } from "../Transport.ts"
import { warnOfInvalid } from "./warnOfInvalid.ts"

/** `GET /executors`, with filters that keep the rules. */
export const listExecutors = (
  transport: Transport["Service"],
  operation: string,
  filters: ExecutorFilters
): Effect.Effect<Listing<Executor>, CallError> =>
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

const decode = decodeListing("available_executors", AvailableExecutorRead, {
  toDomain: toExecutor,
  idOf: (raw) => (raw as { executor?: { id?: unknown } } | null)?.executor?.id
})
