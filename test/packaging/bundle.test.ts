import { build } from "esbuild"
import { resolve } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")

/** The most that each program may weigh, minified and gzipped, in KB. */
const budgets = {
  "promise-executors": 97.6,
  "effect-everything": 93.6
}

/** Packages that may be in a browser's bundle. */
const allowed = new Set(["basilica-sdk", "effect"])

const packageOf = (file: string): string => {
  const path = file.split("node_modules/").at(-1)
  return path === undefined || path === file
    ? "basilica-sdk"
    : path.split("/").slice(0, path.startsWith("@") ? 2 : 1).join("/")
}

describe.each(Object.entries(budgets))("a browser bundle of %s", (name, budget) => {
  const bundle = build({
    absWorkingDir: root,
    entryPoints: [`test/packaging/programs/${name}.ts`],
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    platform: "browser",
    conditions: ["browser"],
    format: "esm",
    target: "es2022",
    logLevel: "silent"
  })

  it("holds nothing but this package and effect", async () => {
    const { metafile } = await bundle
    const inputs = Object.keys(metafile.inputs)
    assert.deepEqual(inputs.filter((file) => !allowed.has(packageOf(file))), [])
    assert.deepEqual(inputs.filter((file) => /^src\/|\/(node|local)\//.test(file)), [])
    assert.deepEqual(Object.values(metafile.outputs).flatMap((output) => output.imports), [])
  })

  it(`weighs at most ${budget} KB gzipped`, async () => {
    const [file] = (await bundle).outputFiles
    assert.isDefined(file)
    const size = gzipSync(file.contents, { level: 9 }).byteLength / 1000
    console.log(`${name}: ${size.toFixed(1)} KB gzipped, ${(file.contents.byteLength / 1000).toFixed(1)} KB minified`)
    assert.isAtMost(size, budget)
  })
})

it("a browser has no files, and says so", async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { BasilicaClient } from "basilica-sdk/promise"
        export const failures = [{ token: "t", journalFile: "deploys.journal" }, { tokenFile: true }].map((options) =>
          new BasilicaClient(options).deployments.list().catch(String)
        )
      `,
      resolveDir: root
    },
    bundle: true,
    write: false,
    conditions: ["browser"],
    format: "esm"
  })
  const { failures } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? "")}`)
  const [journalFile, tokenFile] = await Promise.all(failures)
  assert.match(
    journalFile,
    /journalFile needs files; allowed: on Node, Bun and Deno, in a bundle for them\. Nothing was sent/
  )
  assert.match(
    tokenFile,
    /tokenFile needs files; allowed: on Node, Bun and Deno, in a bundle for them\. Nothing was sent/
  )
})

const runtimes = [
  ["node", "NodeHttpClient", "promise.node"],
  ["bun", "HttpClientFetch", "promise"],
  ["deno", "HttpClientFetch", "promise"],
  ["workerd", "HttpClientFetch", "promise"],
  ["edge-light", "HttpClientFetch", "promise"],
  ["browser", "HttpClientFetch", "promise"]
] as const

describe.each(runtimes)("a bundle for %s", (condition, transport, promiseFace) => {
  const filesOf = async (program: string): Promise<ReadonlyArray<string>> => {
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints: [`test/packaging/programs/${program}.ts`],
      bundle: true,
      write: false,
      metafile: true,
      // Runtimes that can stand in for Node name its condition as well.
      platform: "node",
      conditions: [condition],
      format: "esm",
      logLevel: "silent"
    })
    return Object.keys(metafile.inputs)
  }

  it(`has the transport ${transport}`, async () => {
    const transports = (await filesOf("effect-everything")).flatMap((file) =>
      /(?:HttpClientFetch|NodeHttpClient)(?=\.js$)/.exec(file)?.[0] ?? []
    )
    assert.deepEqual(transports, [transport])
  })

  it(`has the Promise face of ${promiseFace}.js`, async () => {
    const files = await filesOf("promise-executors")
    assert.deepEqual(files.filter((file) => /^dist\/promise[^/]*$/.test(file)), [`dist/${promiseFace}.js`])
  })
})
