import * as Schema from "effect/Schema"
import { must } from "./must.ts"

/**
 * The rule for an id of a deployment or a machine: one segment of a URL, nothing that could leave it. The service's own
 * ids are UUIDs, with `rental-` before them for deployments. It holds for what the service sends as well: its ids are
 * used in later calls.
 */
export const Id = Schema.String.check(
  must((id) => /^[A-Za-z0-9_-]{1,128}$/.test(id), "is not an id; allowed: 1 to 128 of A-Z, a-z, 0-9, _ and -")
)
