import { build } from "esbuild"
import { resolve } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")

/** The most that each program may weigh, minified and gzipped, in KB. */
const budgets = {
  "promise-executors": 92,
  "effect-everything": 90
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

describe("the transport in a bundle", () => {
  it.each([
    ["node", "NodeHttpClient"],
    ["bun", "HttpClientFetch"],
    ["deno", "HttpClientFetch"],
    ["workerd", "HttpClientFetch"],
    ["edge-light", "HttpClientFetch"],
    ["browser", "HttpClientFetch"]
  ])("for %s is %s", async (condition, expected) => {
    const { metafile } = await build({
      absWorkingDir: root,
      entryPoints: ["test/packaging/programs/promise-executors.ts"],
      bundle: true,
      write: false,
      metafile: true,
      // Runtimes that can stand in for Node name its condition as well.
      platform: "node",
      conditions: [condition],
      format: "esm",
      logLevel: "silent"
    })
    const transports = Object.keys(metafile.inputs).flatMap((file) =>
      /(?:HttpClientFetch|NodeHttpClient)(?=\.js$)/.exec(file)?.[0] ?? []
    )
    assert.deepEqual(transports, [expected])
  })
})
