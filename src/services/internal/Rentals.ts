/**
 * Reading rentals, for `Deployments` and `LogStream`.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ApiError } from "../../errors/ApiError.ts"
import { NotFound } from "../../errors/NotFound.ts"
import type { Deployment } from "../../schema/Deployment.ts"
import type { DeploymentStatus } from "../../schema/DeploymentStatus.ts"
import type { ListFilters } from "../../schema/ListFilters.ts"
import type { Listing } from "../../schema/Listing.ts"
import { decodeListing, mayHide } from "../../schema/wire/Listing.ts"
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

/**
 * A 404 of a call about one deployment. The service says it without a word, or with a code: what has other words is the
 * page of a proxy, which knows nothing of deployments and may bring them back the next moment.
 */
export const notFound =
  (id: string): OnRefusal<never, NotFound | ApiError> =>
  ({ code, operation, reason, requestId, retryAfterMillis, status }) => {
    if (status !== 404) return undefined
    return Result.fail(
      isPage({ code, reason })
        ? new ApiError({ operation, status, reason, retryable: true, outcome: "none", retryAfterMillis, requestId })
        : new NotFound({ operation, resource: "deployment", id, requestId })
    )
  }

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

/** What the list says of one deployment; `undefined` where it certainly does not have it. */
export const provenStatus = (
  transport: Transport["Service"],
  operation: string,
  id: string
): Effect.Effect<DeploymentStatus | undefined, CallError> =>
  listRentals(transport, operation, {}).pipe(
    // The list is always there: a page that says 404 is a proxy's.
    Effect.mapError((error) => isPage404(error) ? new ApiError({ ...error, retryable: true }) : error),
    Effect.flatMap((listing) => {
      const listed = listing.items.find((deployment) => deployment.id === id)
      if (listed !== undefined || !mayHide(listing, id)) return Effect.succeed(listed?.status)
      const reason = "it is not found, and may be what the list does not show"
      return Effect.fail(new ApiError({ operation, status: 404, reason, retryable: true, outcome: "none" }))
    })
  )

/**
 * What became of a deployment that was there and is not found (404) now, which a proxy may say as well: `undefined` where
 * it is gone. Where the token may not ask for the list, or there is none, the 404 is believed.
 */
export const statusAfter404 = (
  transport: Transport["Service"],
  operation: string,
  id: string
): Effect.Effect<DeploymentStatus | undefined, CallError> =>
  Effect.catchIf(
    provenStatus(transport, operation, id),
    (error) =>
      error._tag === "AuthorizationError" || (error._tag === "ApiError" && error.status === 404 && !error.retryable),
    () => Effect.undefined
  )

const isPage404 = (error: CallError): error is ApiError =>
  error._tag === "ApiError" && error.status === 404 && isPage(error)

/** Whether a refusal is the page of a proxy: the service says nothing, or has a code for it. */
export const isPage = ({ code, reason }: { readonly code?: string | undefined; readonly reason: string }): boolean =>
  reason !== "" && code === undefined
