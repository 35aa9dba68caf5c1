import { execFile } from "node:child_process"
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join, posix, resolve } from "node:path"
import process from "node:process"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import manifest from "../../package.json" with { type: "json" }

const root = resolve(import.meta.dirname, "../..")
const programs = resolve(import.meta.dirname, "programs")
const tsc = resolve(root, "node_modules/.bin/tsc")

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((done, fail) => {
    execFile(command, args, { cwd }, (error, stdout, stderr) => {
      if (error) fail(new Error(`${command} ${args.join(" ")}\n${stdout}${stderr}`, { cause: error }))
      else done(stdout)
    })
  })

/** The Node that runs this, and every other on the path from 20.19 on: the package runs on older ones than its tools do. */
const nodes = async (): Promise<ReadonlyMap<string, string>> => {
  const found = new Map([[process.version, process.execPath]])
  const candidates = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "node"))
  for (const candidate of candidates) {
    const version = (await run(root, candidate, "--version").catch(() => "")).trim()
    const [major = 0, minor = 0] = version.slice(1).split(".").map(Number)
    if ((major > 20 || (major === 20 && minor >= 19)) && !found.has(version)) found.set(version, candidate)
  }
  return found
}
const runtimes = await nodes()

let folder: string
let tarball: string
let packed: ReadonlyArray<string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "basilica-sdk-pack-"))
  const [report] = JSON.parse(
    await run(root, "npm", "pack", "--ignore-scripts", "--json", "--pack-destination", folder)
  ) as ReadonlyArray<{ readonly filename: string; readonly files: ReadonlyArray<{ readonly path: string }> }>
  assert.isDefined(report)
  tarball = join(folder, report.filename)
  packed = report.files.map((file) => file.path)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe("the package", () => {
  it("holds the build, the sources its maps name, and what a reader looks for", () => {
    for (
      const file of ["README.md", "LICENSE", "CHANGELOG.md", "package.json", manifest.bin["basilica-local"].slice(2)]
    ) {
      assert.include(packed, file)
    }
    for (const target of Object.values(manifest.exports).filter((value) => typeof value !== "string")) {
      for (const file of Object.values(target)) assert.include(packed, file.slice(2))
    }
    const sources = packed.filter((file) => file.startsWith("src/"))
    const built = packed.filter((file) => file.startsWith("dist/"))
    const bundle = manifest.exports["./promise"].node.slice(2)
    assert.sameMembers(built, [
      bundle,
      `${bundle}.LICENSES.txt`,
      ...sources.flatMap((file) =>
        [".js", ".js.map", ".d.ts", ".d.ts.map"].map((end) => file.replace("src/", "dist/").replace(/\.ts$/, end))
      )
    ])
  })

  it("holds what the README and the documents that it names link to", async () => {
    const missing = []
    for (const document of ["README.md", ...packed.filter((file) => file.startsWith("docs/"))]) {
      for (
        const [, target = ""] of (await readFile(resolve(root, document), "utf8")).matchAll(/\]\(([^)#]+)[^)]*\)/g)
      ) {
        const file = posix.join(posix.dirname(document), target)
        if (!target.startsWith("https://") && !packed.includes(file)) missing.push(`${document}: ${file}`)
      }
    }
    // What proves the figures is in the repository alone.
    assert.deepEqual(missing.filter((one) => !/^docs\/(reliability|performance)\.md: /.test(one)), [])
  })

  it("names the packages that the file of the Promise face holds parts of, with their licenses", async () => {
    const notices = await readFile(resolve(root, `${manifest.exports["./promise"].node}.LICENSES.txt`), "utf8")
    assert.match(notices, /^effect 4\.1\.\d+\n\nMIT License\n\nCopyright \(c\) \d{4} Effectful/m)
  })

  it("holds nothing else", () => {
    const known = /^(dist\/|src\/|docs\/|examples\/|[A-Z]+\.md$|LICENSE$|package\.json$)/
    assert.deepEqual(packed.filter((file) => !known.test(file)), [])
    assert.deepEqual(packed.filter((file) => /^(dist|src)\/.*(test\.|\.tsbuildinfo$)/.test(file)), [])
  })
})

const peers = manifest.peerDependencies
const variants = [
  { variant: "with effect alone", program: "core", packages: [`effect@${peers.effect}`], types: [] },
  {
    variant: "with @effect/platform-node",
    program: "node",
    packages: [
      `effect@${peers.effect}`,
      `@effect/platform-node@${peers["@effect/platform-node"]}`,
      `@types/node@${manifest.devDependencies["@types/node"]}`
    ],
    types: ["--types", "node"]
  }
]

describe.each(variants)("installed $variant", ({ packages, program, types }) => {
  let project: string

  beforeAll(async () => {
    project = join(folder, program)
    await mkdir(project)
    await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
    await run(project, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", tarball, ...packages)
    for (const file of [`${program}.mjs`, `${program}.ts`]) await copyFile(join(programs, file), join(project, file))
  })

  it.each([...runtimes])("runs on Node %s", async (_, node) => {
    const { failure, isOfBothFaces, isOfAnother, misnamed, names, touchesFetch } = JSON.parse(
      await run(project, node, `${program}.mjs`)
    )
    for (const count of names) assert.isAbove(count, 0)
    if (program === "core") {
      assert.strictEqual(failure, "NetworkError")
      assert.isTrue(isOfBothFaces)
      assert.isFalse(isOfAnother)
      assert.isFalse(touchesFetch)
      assert.deepEqual(misnamed, [])
    }
  })

  const strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", ...types]

  it.each([
    ["nodenext", ["--module", "nodenext"]],
    ["bundler", ["--module", "esnext", "--moduleResolution", "bundler"]]
  ])("type-checks with %s resolution", async (_, resolution) => {
    await run(project, tsc, ...strict, ...resolution, `${program}.ts`)
  })

  if (program === "core") {
    it("brings no package for Node", async () => {
      assert.notInclude(await readdir(join(project, "node_modules")), "@effect")
    })

    it("says what basilica-local needs", async () => {
      const failure = await run(project, join(project, "node_modules/.bin/basilica-local")).catch(String)
      assert.include(failure, "npm install @effect/platform-node")
    })
  } else {
    it.each([...runtimes])(
      "starts basilica-local on Node %s, and says where that is too old",
      async (version, node) => {
        const bin = join(project, "node_modules/basilica-sdk", manifest.bin["basilica-local"])
        const { stderr, stdout } = await promisify(execFile)(node, [bin, "--version"], { cwd: project })
        assert.include(stdout, manifest.version)
        if (version.startsWith("v20.")) {
          assert.match(stderr, /^basilica-local needs Node 22\.19 or newer.* This is 20\./)
        } else assert.strictEqual(stderr, "")
      }
    )
  }
})
