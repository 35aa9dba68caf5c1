import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { must } from "../must.ts"

/** A field that the service leaves out or sends as null where it knows nothing. */
export const maybe = <S extends Schema.Constraint>(schema: S): Schema.optionalKey<Schema.NullOr<S>> =>
  Schema.optionalKey(Schema.NullOr(schema))

const uint32 = 4_294_967_295

/** A whole number as the service reads it, 32 bits without a sign, from `least` on. */
export const countFrom = (least: number) =>
  Schema.Finite.check(must(
    (value) => Number.isInteger(value) && value >= least && value <= uint32,
    `is not a number that the service takes; allowed: a whole number from ${least} to ${uint32}`
  ))

/** {@link countFrom} 0. */
export const count = countFrom(0)

/** A part of a GPU's name. */
export const gpuName = Schema.String.check(
  must((name) => name !== "", "is empty; allowed: a part of the GPU's name, such as h100")
)

/** A length of time in any of Effect's forms, of at least so many milliseconds. */
export const duration = (leastMillis = 0): Schema.Unknown =>
  Schema.Unknown.check(
    Schema.makeFilter((input) => {
      const value = Duration.fromInput(input as Duration.Input)
      if (Option.isSome(value) && Duration.toMillis(value.value) >= leastMillis) return undefined
      const least = leastMillis === 0 ? "" : `, at least ${leastMillis / 60_000} minutes`
      return `is not a length of time that can be used; allowed: milliseconds, or a text such as "20 minutes"${least}`
    })
  )
