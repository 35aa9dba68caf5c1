// Runs every program of examples/ as a user would, and fails if one does.
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import process from "node:process"

const timeoutSeconds = 60

// The examples bring a Basilica of their own: no account found in the environment may be used instead.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BASILICA_")))

// Node runs the files as they stand, and reads `await using` from 24 on.
const readsUsing = Number(process.versions.node.split(".")[0]) >= 24

const count = { passed: 0, failed: 0, skipped: 0 }

for (const name of readdirSync("examples").filter((file) => file.endsWith(".ts")).toSorted()) {
  const file = `examples/${name}`
  if (!readsUsing && /^\s*(await )?using /m.test(readFileSync(file, "utf8"))) {
    count.skipped += 1
    console.log(`- ${file} skipped: it says \`using\`, which Node ${process.versions.node} does not read`)
    continue
  }
  const started = performance.now()
  const run = spawnSync(process.execPath, ["--conditions=basilica-sdk-source", file], {
    encoding: "utf8",
    env,
    timeout: timeoutSeconds * 1000
  })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (run.status === 0) {
    count.passed += 1
    console.log(`✓ ${file} (${seconds} s)`)
  } else {
    count.failed += 1
    console.error(`✗ ${file} (${seconds} s): ${run.error?.message ?? `exit ${run.status ?? run.signal}`}`)
    console.error(run.stdout + run.stderr)
  }
}

console.log(`examples: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed === 0 && count.passed + count.skipped > 0 ? 0 : 1
