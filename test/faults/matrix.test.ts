import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { within } from "../support/sizes.ts"
import { type Outcome, runCell, type Way } from "./Cell.ts"
import { detours } from "./Detours.ts"
import { columns, expected, table } from "./expected.ts"
import { kinds } from "./kinds.ts"
import { operations } from "./Operations.ts"

/** How many runs go on at a time: many of those that wait for a deadline, few of those that move much. */
const groups = [
  { faults: /^100 MiB$/, concurrency: 2 },
  { faults: /never|drips|stalls|half-open|black hole|KB\/s|slicer/, concurrency: 32 },
  { faults: /./, concurrency: 12 }
]
const groupOf = (fault: string) => groups.findIndex(({ faults }) => faults.test(fault))

const runs = [...kinds].flatMap(([fault, kind]) =>
  Object.entries(operations).flatMap(([name, operation]) =>
    (["first", "all", "interrupt"] as const).map((way) => ({ fault, kind, name, operation, way }))
  )
)

const problems = (fault: string, name: string, way: Way, outcome: Outcome): ReadonlyArray<string> => {
  const wanted = expected(fault, name, way === "first" ? "first" : "all")
  if (wanted === undefined) return ["has no entry in matrix.md"]
  const found = [...outcome.offences]
  const tags = way === "interrupt" ? ["interrupted", wanted.tag] : [wanted.tag]
  if (!tags.includes(outcome.tag)) found.push(`ended with ${outcome.tag}, not ${wanted.tag}`)
  if (outcome.sends > wanted.sends) found.push(`was sent ${outcome.sends} times, not ${wanted.sends}`)
  return found
}

describe(`the fault matrix: ${Object.keys(operations).length} operations by ${kinds.size} faults, three ways each`, () => {
  const done = Deferred.makeUnsafe<ReadonlyArray<{ readonly fault: string; readonly problem: string }>>()

  it.live("runs", () =>
    Effect.gen(function*() {
      const ways = yield* detours
      const results = yield* Effect.forEach(groups, ({ concurrency }, index) =>
        Effect.forEach(
          runs.filter(({ fault }) => groupOf(fault) === index),
          ({ fault, kind, name, operation, way }) =>
            Effect.map(
              runCell(operation, kind, way, ways),
              (outcome) =>
                problems(fault, name, way, outcome).map((problem) => ({
                  fault,
                  problem: `${name}, ${way}: ${problem}`
                }))
            ),
          { concurrency }
        ))
      yield* Deferred.succeed(done, results.flat(2))
      assert.strictEqual(results.flat().length, runs.length)
    }), within(90_000, 180_000))

  for (const fault of kinds.keys()) {
    it.effect(`${fault}: ends as matrix.md says`, () =>
      Effect.map(
        Deferred.await(done),
        (all) => assert.deepStrictEqual(all.filter((one) => one.fault === fault).map(({ problem }) => problem), [])
      ))
  }

  it("has a row for each fault and a column for each operation, and no other", () => {
    assert.deepStrictEqual([...table.keys()].filter((row) => row !== "fault" && !row.startsWith("---")), [
      ...kinds.keys()
    ])
    assert.deepStrictEqual(columns, Object.keys(operations))
    assert.strictEqual(kinds.size, 48)
  })
})
