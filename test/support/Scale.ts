/**
 * How often something is tried, by which chance, and how a failure is run again: the one place for it. Two variables of
 * the environment: `BASILICA_TEST_SEED` and `BASILICA_TEST_SCALE=full`.
 */
import * as fc from "fast-check"
import process from "node:process"

const full = process.env["BASILICA_TEST_SCALE"] === "full"

/** The number of repetitions: the small one with every change, the full one in `npm run test:long`. */
export const size = (small: number, whole: number): number => full ? whole : small

/** A tenth of the number, or with `BASILICA_TEST_SCALE=full` all of it. */
export const times = (number: number): number => size(Math.ceil(number / 10), number)

/** Ends a test that hangs, in milliseconds. It is no mark for how fast something is. */
export const patience: number = size(900_000, 3 * 3_600_000)

/** The seed of this run, for everything that is left to chance. */
export const seed: number = Number(process.env["BASILICA_TEST_SEED"] ?? Math.floor(Math.random() * 0x7fffffff))

/** Numbers from a seed: from 0 to below 1, or whole ones from 0 to below a limit. */
export interface Chance {
  (): number
  below(limit: number): number
}

/** Chance for one case of many (mulberry32): its own numbers, whatever the others took. */
export const chanceOf = (index: number): Chance => {
  let state = (Math.imul(seed ^ 0x9e3779b9, index + 1) ^ index) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return Object.assign(next, { below: (limit: number) => Math.floor(next() * limit) })
}

/** Says with a failure how to run it again. */
export const replay = (index?: number): string =>
  `run again with BASILICA_TEST_SEED=${seed}${index === undefined ? "" : `, case ${index}`}`

/** Tries a property that runs at once. */
export const holds = <A>(arbitrary: fc.Arbitrary<A>, numRuns: number, property: (value: A) => void): void =>
  fc.assert(fc.property(arbitrary, property), { seed, numRuns })

/** Tries a property that takes time. */
export const holdsLater = <A>(
  arbitrary: fc.Arbitrary<A>,
  numRuns: number,
  property: (value: A) => Promise<void>
): Promise<void> => fc.assert(fc.asyncProperty(arbitrary, property), { seed, numRuns })
