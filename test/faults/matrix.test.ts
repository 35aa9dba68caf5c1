import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import process from "node:process"
import { onMachineTime } from "../support/MachineTime.ts"
import { patience } from "../support/Scale.ts"
import { type Outcome, runCell, type Way } from "./Cell.ts"
import { detours } from "./Detours.ts"
import { columns, expected, table } from "./expected.ts"
import { kinds } from "./kinds.ts"
import { operations } from "./Operations.ts"

/**
 * How many runs go on at a time: many of those that wait for a deadline, few of those that move much. Those that only wait
 * do so on a clock that is fast; a renewal waits for seconds, and for a silent sign-in service for half a minute and longer.
 */
const groups = [
  { runs: /^100 MiB/, concurrency: 2 },
  { runs: /, refresh$/, concurrency: 32, speed: 10 },
  { runs: /never|drips|stalls|half-open|black hole/, concurrency: 32, speed: 3 },
  { runs: /KB\/s|slicer/, concurrency: 32 },
  { runs: /./, concurrency: 12 }
]
const groupOf = (fault: string, name: string) => groups.findIndex(({ runs }) => runs.test(`${fault}, ${name}`))

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

/** What keeps this process alive, by kind. */
const resources = (): ReadonlyMap<string, number> => {
  const all = new Map<string, number>()
  for (const one of process.getActiveResourcesInfo()) all.set(one, (all.get(one) ?? 0) + 1)
  return all
}

/** What there is more of than before, once there was time for it to go. */
const more = Effect.fnUntraced(function*(before: ReadonlyMap<string, number>) {
  const now = Effect.delay(
    Effect.sync(() => [...resources()].filter(([kind, count]) => count > (before.get(kind) ?? 0))),
    "10 millis"
  )
  return yield* Effect.repeat(now, { until: (kinds) => kinds.length === 0, times: 500 })
})

describe(`the fault matrix: ${Object.keys(operations).length} operations by ${kinds.size} faults, three ways each`, () => {
  const done = Deferred.makeUnsafe<ReadonlyArray<{ readonly fault: string; readonly problem: string }>>()

  it.live("runs, and leaves no timer, no socket and no rejection that nobody handles", () =>
    Effect.gen(function*() {
      const rejections: Array<unknown> = []
      const onRejection = (reason: unknown) => rejections.push(reason)
      process.on("unhandledRejection", onRejection)
      // Behind a timer, as at the end, because the timer that runs counts too.
      const before = yield* Effect.delay(Effect.sync(resources), "10 millis")
      const results = yield* Effect.scoped(Effect.gen(function*() {
        const ways = yield* detours
        return yield* Effect.forEach(groups, ({ concurrency, speed }, index) =>
          onMachineTime(
            Effect.forEach(
              runs.filter(({ fault, name }) => groupOf(fault, name) === index),
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
            ),
            speed
          ))
      }))
      yield* Deferred.succeed(done, results.flat(2))
      assert.strictEqual(results.flat().length, runs.length)
      assert.deepStrictEqual(yield* more(before), [])
      process.off("unhandledRejection", onRejection)
      assert.deepStrictEqual(rejections, [])
    }), patience)

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
