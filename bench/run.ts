/**
 * Runs all benches and prints one table: `npm run bench`; of some alone: `npm run bench -- logs calls`. With `--short`, as
 * CI runs it: without the peers, with fewer rounds, and it fails where a figure falls to half of its mark.
 */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import * as Contest from "./Contest.ts"
import { isMet, machine, type Row, table } from "./Table.ts"

const npm = (cwd: string, ...args: ReadonlyArray<string>) =>
  execFileSync("npm", args, { cwd, stdio: ["ignore", "ignore", "inherit"] })

const chosen = process.argv.slice(2).filter((argument) => !argument.startsWith("--")).map((name) => `${name}.ts`)
const programs = chosen.length > 0
  ? chosen
  : Contest.isShort
  ? ["logs.ts", "calls.ts", "many.ts", "start.ts", "local.ts"]
  : ["logs.ts", "calls.ts", "many.ts", "reader.ts", "start.ts", "size.ts", "local.ts"]

const root = `${import.meta.dirname}/..`
if (!Contest.isShort && !existsSync(`${import.meta.dirname}/node_modules`)) npm(import.meta.dirname, "ci")
if (!Contest.isShort || !existsSync(`${root}/dist`)) npm(root, "run", "build")

const begin = performance.now()
const rows: Array<Row> = []
for (const program of programs) {
  if (process.stderr.isTTY) console.error(`${program} ...`)
  rows.push(...await Contest.outcome<ReadonlyArray<Row>>(program, Contest.isShort ? ["--short"] : []))
}
console.log(`Measured on ${machine()}, in ${Math.round((performance.now() - begin) / 1000)} s.\n\n${table(rows)}`)

if (Contest.isShort) {
  const failed = rows.filter((row) => !isMet(row, 2))
  for (const { what } of failed) console.error(`✗ less than half of its mark: ${what}`)
  console.log(`\nbench: ${rows.length - failed.length} passed, ${failed.length} failed`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
