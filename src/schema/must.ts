import * as Schema from "effect/Schema"

/** A check that says what is wrong and what is allowed, and never repeats the value. */
export const must = <A>(holds: (value: A) => boolean, problem: string) =>
  Schema.makeFilter((value: A) => holds(value) ? undefined : problem)
