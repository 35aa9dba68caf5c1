/**
 * Reading the JSON of a reply.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { jsonOf } from "../../schema/jsonOf.ts"
import { oneLine } from "../../schema/oneLine.ts"

/** How deep the JSON of a reply may nest. The service's own is 6 deep. */
const maxDepth = 64

const isDeeper = (value: unknown, limit: number): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (limit === 0) return true
  if (Array.isArray(value)) return value.some((item) => isDeeper(item, limit - 1))
  const record = value as { readonly [key: string]: unknown }
  for (const key in record) if (isDeeper(record[key], limit - 1)) return true
  return false
}

export const parseJson = (text: string): Result.Result<unknown, string> => {
  if (text === "") return Result.succeed(undefined)
  const json = jsonOf(text)
  if (json === undefined) return Result.fail("the body is not JSON")
  return isDeeper(json, maxDepth) ? Result.fail(`the body is nested deeper than ${maxDepth}`) : Result.succeed(json)
}

/** Makes a `decode` of a schema; what does not fit is named by its place, never by its value. */
export const decodeWith = <S extends Schema.ConstraintDecoder<unknown, never>>(
  schema: S
): (body: unknown) => Result.Result<S["Type"], string> => {
  const decode = Schema.decodeUnknownResult(schema)
  return (body) => Result.mapError(decode(body), (error) => oneLine(error.message, 500))
}

/**
 * Reads a reply without a body that says by its status alone that something was done. Another's page or JSON is no proof,
 * and a 202 is a promise.
 */
export const decodeDone =
  (...done: ReadonlyArray<number>) => (body: unknown, status = 0): Result.Result<void, string> => {
    if (body !== undefined) return Result.fail("it has a body, and the service sends none")
    return done.includes(status) ? Result.void : Result.fail(`${done.join(" or ")} is what says that it is done`)
  }
