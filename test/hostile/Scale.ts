import * as fc from "fast-check"
import process from "node:process"

const full = process.env["BASILICA_TEST_SCALE"] === "full"

/** How often something is tried: a tenth of the number, or with `BASILICA_TEST_SCALE=full` all of it. */
export const times = (number: number): number => full ? number : Math.ceil(number / 10)

/** The seed of all chance in these tests; `BASILICA_TEST_SEED` repeats a run. Stands in the names of the tests. */
export const seed = Number(process.env["BASILICA_TEST_SEED"] ?? Date.now() % 0x7fffffff)

/** How long a test may take that tries something so often. */
export const timeout = full ? 1_200_000 : 120_000

/** Tries a property that runs at once. */
export const holds = <A>(arbitrary: fc.Arbitrary<A>, numRuns: number, property: (value: A) => void): void =>
  fc.assert(fc.property(arbitrary, property), { seed, numRuns })

/** Tries a property that takes time. */
export const holdsLater = <A>(
  arbitrary: fc.Arbitrary<A>,
  numRuns: number,
  property: (value: A) => Promise<void>
): Promise<void> => fc.assert(fc.asyncProperty(arbitrary, property), { seed, numRuns })
