/**
 * Breaks the code on purpose, one place at a time, and runs the tests that ought to notice: as many mutants in each area.
 * `npm run mutate`; the number of mutants with `--mutants=100`, one area alone with `--area=refresh`, another choice of them
 * with `--seed=2`, the survivors of a run alone with `--again=<its output>`. Mutants that make no difference are in `mutants.json`, with the reason, and are not tried.
 */
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

interface Target {
  readonly area: string
  readonly file: string
  readonly tests: ReadonlyArray<string>
}
interface Plan {
  readonly targets: ReadonlyArray<Target>
  /** A pattern of a line and what is put in its place, `$1` and so on as in a regular expression. */
  readonly operators: ReadonlyArray<readonly [pattern: string, replacement: string]>
  /** Lines that are not broken: words for people, and what no test can see. */
  readonly leave: ReadonlyArray<string>
  /** Mutants that make no difference, by a part of their line before and after, with the reason. They are not tried. */
  readonly noDifference: ReadonlyArray<{
    readonly file: string
    readonly line: string
    readonly to: string
    readonly why: string
  }>
}
interface Mutant extends Target {
  readonly line: number
  readonly from: string
  readonly to: string
}

const root = resolve(import.meta.dirname, "..")
const plan = JSON.parse(readFileSync(join(import.meta.dirname, "mutants.json"), "utf8")) as Plan
const option = (name: string, fallback: number) =>
  Number(process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split("=")[1] ?? fallback)

const candidates = (target: Target): ReadonlyArray<Mutant> => {
  const leave = plan.leave.map((pattern) => new RegExp(pattern))
  let isType = false
  return readFileSync(join(root, target.file), "utf8").split("\n").flatMap((line, index) => {
    if (/^(export )?(interface|type|declare) |^export class .*Context\.Service</.test(line)) isType = true
    const skip = isType || leave.some((pattern) => pattern.test(line))
    if (/^\}|^$/.test(line)) isType = false
    if (skip) return []
    return plan.operators.flatMap(([pattern, replacement]) => {
      const to = line.replace(new RegExp(pattern), replacement)
      const isNone = plan.noDifference.some((one) =>
        one.file === target.file && line.includes(one.line) && to.includes(one.to)
      )
      return to === line || isNone ? [] : [{ ...target, line: index, from: line, to }]
    })
  })
}

/** The same choice for the same seed, spread evenly over all that there are. */
const choose = (all: ReadonlyArray<Mutant>, count: number, seed: number): ReadonlyArray<Mutant> => {
  const step = all.length / count
  return Array.from(
    { length: Math.min(count, all.length) },
    (_, index) => all[Math.floor((index * Math.max(1, step) + seed * 0.618 * Math.max(1, step)) % all.length)] ?? []
  )
    .flat()
}

const workshop = () => {
  const directory = mkdtempSync(join(tmpdir(), "basilica-mutate-"))
  for (
    const part of ["src", "test", "examples", "package.json", "tsconfig.json", "tsconfig.base.json", "vitest.config.ts"]
  ) {
    cpSync(join(root, part), join(directory, part), { recursive: true })
  }
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
  return directory
}

const pass = (directory: string, tests: ReadonlyArray<string>, millis?: number): Promise<boolean> =>
  new Promise((done) => {
    const vitest = join(root, "node_modules/vitest/vitest.mjs")
    const child = spawn(process.execPath, [vitest, "run", "--project", "unit", "--bail", "1", ...tests], {
      cwd: directory,
      stdio: "ignore",
      env: { ...process.env, BASILICA_TEST_SEED: "1" }
    })
    const timer = setTimeout(() => child.kill("SIGKILL"), millis)
    if (millis === undefined) clearTimeout(timer)
    child.once("close", (code) => {
      clearTimeout(timer)
      done(code === 0)
    })
  })

/** How long tests take where nothing is broken, in milliseconds. */
const durations = new Map<string, Promise<number>>()
const durationOf = (directory: string, tests: ReadonlyArray<string>): Promise<number> => {
  const measure = async () => {
    const start = performance.now()
    if (!(await pass(directory, tests))) throw new Error(`These fail with nothing broken: ${tests.join(" ")}`)
    return performance.now() - start
  }
  const found = durations.get(tests.join()) ?? measure()
  durations.set(tests.join(), found)
  return found
}

const survives = async (directory: string, mutant: Mutant): Promise<boolean> => {
  const usual = await durationOf(directory, mutant.tests)
  const path = join(directory, mutant.file)
  const whole = readFileSync(path, "utf8")
  writeFileSync(path, whole.split("\n").map((line, index) => index === mutant.line ? mutant.to : line).join("\n"))
  // Code that never ends is noticed too.
  const lives = await pass(directory, mutant.tests, usual * 4 + 20_000)
  writeFileSync(path, whole)
  return lives
}

const again = process.argv.find((argument) => argument.startsWith("--again="))?.slice(8)
const survived = again === undefined ? "" : readFileSync(again, "utf8")
const wanted = process.argv.find((argument) => argument.startsWith("--area="))?.slice(7)
const all = plan.targets.filter(({ area }) => wanted === undefined || area === wanted).flatMap(candidates)
const areas = [...new Set(all.map(({ area }) => area))]
const mutants = again === undefined
  ? areas.flatMap((area, index) => {
    const [before, behind] = [index, index + 1].map((part) => Math.floor(option("mutants", 100) * part / areas.length))
    return choose(all.filter((one) => one.area === area), Number(behind) - Number(before), option("seed", 1))
  })
  : all.filter(({ from, to }) => survived.includes(`  - ${from.trim()}\n  + ${to.trim()}\n`))
const queue = [...mutants]
const survivors: Array<Mutant> = []
await Promise.all(Array.from({ length: option("workers", 2) }, async () => {
  const directory = workshop()
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const lives = await survives(directory, mutant)
    if (lives) {
      survivors.push(mutant)
      const { file, from, line, to } = mutant
      console.log(`\n${file}:${line + 1}\n  - ${from.trim()}\n  + ${to.trim()}`)
    }
    process.stdout.write(lives ? "S" : ".")
  }
  rmSync(directory, { recursive: true, force: true })
}))

const died = mutants.length - survivors.length
console.log(`\n${died} of ${mutants.length} mutants died (${Math.round(died / mutants.length * 100)} %).`)
for (const area of areas) {
  const [chosen, alive] = [mutants, survivors].map((some) => some.filter((one) => one.area === area).length)
  console.log(`${area}: ${Number(chosen) - Number(alive)} of ${chosen}`)
}
const isLost = survivors.some(({ area }) => area === "event reader")
if (died / mutants.length < 0.9 || isLost) process.exitCode = 1
