import { Effect } from "effect"
import { build } from "esbuild"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Files from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

/** A directory with one program of test/support in it, bundled so that it starts quickly. */
export const withProgram = (name: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const directory = Files.mkdtempSync(join(tmpdir(), "basilica-token-"))
      const program = join(directory, "program.mjs")
      await build({
        entryPoints: [join(import.meta.dirname, `${name}.ts`)],
        outfile: program,
        bundle: true,
        minify: true,
        platform: "node",
        format: "esm",
        conditions: ["basilica-sdk-source", "node"],
        banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url)` },
        logLevel: "error"
      })
      return { program, directory, path: join(directory, "data", "auth.json") }
    }),
    ({ directory }) => Effect.sync(() => Files.rmSync(directory, { recursive: true, force: true }))
  )

/** Runs a program to its end, and says what it printed. */
export const runProgram = async (program: string, args: ReadonlyArray<string>): Promise<string> => {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => output += chunk.toString())
  child.stderr.on("data", (chunk: Buffer) => output += chunk.toString())
  const [code] = await once(child, "close") as [number | null]
  if (code !== 0) throw new Error(`exit ${code}: ${output}`)
  return output
}
