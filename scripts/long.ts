// Runs the tests with the full counts of what they try by chance, which takes minutes.
import { spawnSync } from "node:child_process"
import process from "node:process"

const run = spawnSync("vitest", ["run", "--project", "unit", ...process.argv.slice(2)], {
  env: { ...process.env, BASILICA_TEST_SCALE: "full" },
  shell: process.platform === "win32",
  stdio: "inherit"
})
process.exitCode = run.status ?? 1
