/** The full sizes of the proofs run in `npm run test:long`, the small ones with every change. */
const long = process.env["BASILICA_TEST_SCALE"] === "full"

/** The number of repetitions: the small one, or the full one in `npm run test:long`. */
export const size = (small: number, full: number): number => long ? full : small

/** How long a test may take. */
export const within = (small: number, full: number) => ({ timeout: long ? full : small })

/** The seed of this run, for everything that is left to chance: `BASILICA_SEED=... npm test` runs it again. */
export const seed: number = Number(process.env["BASILICA_SEED"] ?? Math.floor(Math.random() * 2 ** 31))

/** Chance by a seed (mulberry32): the same numbers from 0 to 1 for the same seed. */
const chance = (from: number): () => number => {
  let state = from >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Chance for one case of many: its own numbers, whatever the others took. */
export const chanceOf = (index: number): () => number => chance(Math.imul(seed ^ 0x9e3779b9, index + 1) ^ index)

/** Says with a failure how to run it again. */
export const replay = (index?: number): string =>
  `run again with BASILICA_SEED=${seed}${index === undefined ? "" : `, case ${index}`}`
