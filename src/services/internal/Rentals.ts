/**
 * Reading rentals, for `Deployments` and `LogStream`.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { NotFound } from "../../errors/NotFound.ts"
import type { Deployment } from "../../schema/Deployment.ts"
import type { DeploymentStatus } from "../../schema/DeploymentStatus.ts"
import type { ListFilters } from "../../schema/ListFilters.ts"
import type { Listing } from "../../schema/Listing.ts"
import { decodeListing } from "../../schema/wire/Listing.ts"
import {
  fromRentalItem,
  fromRentalReply,
  RentalItemRead,
  RentalReplyRead,
  rentalsQuery
} from "../../schema/wire/Rentals.ts"
import { type CallError, type OnRefusal, type Transport } from "../Transport.ts"
import { decodeWith } from "./Json.ts"
import { warnOfInvalid } from "./warnOfInvalid.ts"

/** A 404 of a call about one deployment. The service sends it without a body. */
export const notFound = (id: string): OnRefusal<never, NotFound> => ({ operation, requestId, status }) =>
  status === 404 ? Result.fail(new NotFound({ operation, resource: "deployment", id, requestId })) : undefined

/** `GET /rentals/{id}`. */
export const getRental = (
  transport: Transport["Service"],
  operation: string,
  id: string
): Effect.Effect<Deployment, CallError | NotFound> =>
  transport.request({
    operation,
    method: "GET",
    path: ["rentals", id],
    scope: "rentals:view",
    decode: decodeRental,
    onRefusal: notFound(id)
  })

const decodeReply = decodeWith(RentalReplyRead)
const decodeRental = (body: unknown) => Result.map(decodeReply(body), fromRentalReply)

/** `GET /rentals`. */
export const listRentals = (
  transport: Transport["Service"],
  operation: string,
  filters: ListFilters
): Effect.Effect<Listing<Deployment>, CallError> =>
  Effect.tap(
    transport.request({
      operation,
      method: "GET",
      path: ["rentals"],
      query: rentalsQuery(filters),
      scope: "rentals:list",
      decode: decodeRentals
    }),
    (listing) => warnOfInvalid(operation, listing)
  )

const decodeRentals = decodeListing("rentals", RentalItemRead, {
  toDomain: fromRentalItem,
  idOf: (raw) => (raw as { rental_id?: unknown } | null)?.rental_id
})

/** The state that the list of rentals gives for one deployment; `undefined` where it is not in the list. */
export const listedStatus = (
  transport: Transport["Service"],
  operation: string,
  id: string
): Effect.Effect<DeploymentStatus | undefined, CallError> =>
  Effect.map(
    listRentals(transport, operation, {}),
    ({ items }) => items.find((deployment) => deployment.id === id)?.status
  )

/**
 * The state of one deployment. Asking for one looks at the live container and answers 500 where that is gone; the list
 * still knows then, so it is asked next.
 */
export const rentalStatus = (
  transport: Transport["Service"],
  operation: string,
  id: string
): Effect.Effect<DeploymentStatus, CallError | NotFound> =>
  getRental(transport, operation, id).pipe(
    Effect.map((deployment) => deployment.status),
    Effect.catchTag("ApiError", (error) =>
      error.status < 500
        ? Effect.fail(error)
        : listedStatus(transport, operation, id).pipe(
          Effect.orElseSucceed(() => undefined),
          Effect.filterOrFail((status) => status !== undefined, () => error)
        ))
  )
