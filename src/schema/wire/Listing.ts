import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { InvalidItem, Listing } from "../Listing.ts"
import { oneLine } from "../oneLine.ts"

/** The longest list that is read. */
const maxItems = 100_000

const isCount = (total: unknown): total is number => Number.isSafeInteger(total) && Number(total) >= 0

/** How the items of a list are read. */
export interface ItemReader<Wire, A> {
  readonly toDomain: (wire: Wire) => A
  /** Finds the id in an item that could not be understood. */
  readonly idOf: (raw: unknown) => unknown
}

/**
 * Reads a list item by item, so that one that cannot be understood is reported beside the good ones instead of costing
 * them. `key` is where the reply has its items; `undefined` for a reply that is a bare array.
 */
export const decodeListing = <S extends Schema.ConstraintDecoder<unknown, never>, A>(
  key: string | undefined,
  item: S,
  { idOf, toDomain }: ItemReader<S["Type"], A>
): (body: unknown) => Result.Result<Listing<A>, string> => {
  const decode = Schema.decodeUnknownResult(item)
  return (body) => {
    const reply = Predicate.isObject(body) ? body : {}
    const raw = key === undefined ? body : reply[key]
    if (!Array.isArray(raw)) return Result.fail(`the body has no list${key === undefined ? "" : ` "${key}"`}`)
    if (raw.length > maxItems) return Result.fail(`the list has more than ${maxItems} items`)
    const items: Array<A> = []
    const invalid: Array<InvalidItem> = []
    raw.forEach((one: unknown, index) => {
      const result = decode(one)
      if (Result.isSuccess(result)) return items.push(toDomain(result.success))
      const id = idOf(one)
      const problem = oneLine(result.failure.message, 500)
      return invalid.push({ index, id: Predicate.isString(id) ? oneLine(id, 128) : undefined, problem })
    })
    const total = reply["total_count"]
    return Result.succeed({ items, invalid, totalCount: isCount(total) ? total : raw.length })
  }
}

/** Whether a list has all that the service says there is: what is not in one that has not may be there all the same. */
export const isWhole = ({ invalid, items, totalCount }: Listing<unknown>): boolean =>
  totalCount <= items.length + invalid.length

/** Whether what is not among the items of a list may be there all the same: it is not whole, or not understood. */
export const mayHide = (listing: Listing<unknown>, id: string): boolean =>
  !isWhole(listing) || listing.invalid.some((item) => item.id === undefined || item.id === id)
