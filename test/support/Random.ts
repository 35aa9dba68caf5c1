/** Numbers from a seed (mulberry32), so that a failure can be run again. */
export interface Random {
  /** From 0 to below 1. */
  readonly next: () => number
  /** A whole number from 0 to below `limit`. */
  readonly below: (limit: number) => number
}

export const random = (seed: number): Random => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  return { next, below: (limit) => Math.floor(next() * limit) }
}

/** The seed of this run: `SEED`, or one made up. It is printed by the tests that use it. */
export const seed: number = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))

/** Whether the long runs are wanted: `BASILICA_TEST_SCALE=full`. */
export const long: boolean = process.env["BASILICA_TEST_SCALE"] === "full"
