import { globSync, readFileSync } from "node:fs"
import { posix, resolve } from "node:path"
import { assert, describe, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")

/** What each part of the house may import of the others. */
const mayImport: Record<string, ReadonlyArray<string>> = {
  errors: [],
  schema: ["errors"],
  services: ["errors", "schema"],
  Basilica: ["errors", "schema", "services"],
  promise: ["errors", "schema", "services", "Basilica"],
  index: ["errors", "schema", "services", "Basilica"],
  server: ["schema"],
  faults: [],
  testing: ["errors", "schema", "services", "server", "faults"],
  local: ["errors", "schema", "services", "server", "faults"],
  node: ["errors", "schema", "services", "Basilica"]
}

/** The parts that are for Node alone. */
const forNode = new Set(["local", "node"])

const partOf = (file: string): string => posix.relative("src", file).split(/[/.]/)[0] ?? file

/** Every module named by an import, an export or an import type; documentation comments start with `*` and do not count. */
const specifiersOf = (source: string): ReadonlyArray<string> =>
  [
    ...source.matchAll(/^[ \t]*(?:import|export)\s(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm),
    ...source.matchAll(/^(?![ \t]*(?:\*|\/[/*])).*?\bimport\(\s*"([^"]+)"/gm)
  ].flatMap((match) => match[1] ?? [])

const imports = globSync("src/**/*.ts", { cwd: root }).flatMap((path) => {
  const file = path.replaceAll("\\", "/")
  return specifiersOf(readFileSync(resolve(root, path), "utf8")).map((specifier) => ({ file, specifier }))
})

/** Those of the package's own files. */
const inside = imports.filter(({ specifier }) => specifier.startsWith(".")).map(({ file, specifier }) => ({
  file,
  specifier,
  target: posix.join(posix.dirname(file), specifier)
}))

const show = (offences: typeof imports) => offences.map(({ file, specifier }) => `${file} imports ${specifier}`)

const transport = new Set(
  ["NodeHttpClient", "internal/Connecting", "internal/Exchange", "internal/undici"].map((name) => `src/node/${name}.ts`)
)

describe("the imports of src", () => {
  it("are found", () => {
    assert.isAbove(imports.length, 20)
    assert.deepEqual(
      specifiersOf(
        "import \"a\"\nimport type {\n  A\n} from \"b\"\nexport * as C from \"c\"\ntype D = import(\"d\").D\n * import \"no\"\n"
      ),
      ["a", "b", "c", "d"]
    )
  })

  it("point one way between the parts", () => {
    const offences = inside.filter(({ file, target }) => {
      const [from, to] = [partOf(file), partOf(target)]
      return from !== to && !mayImport[from]?.includes(to)
    })
    assert.deepEqual(show(offences), [])
  })

  it("reach nothing private to another folder", () => {
    const offences = inside.filter(({ file, target }) => {
      const [folder, ...rest] = target.split("/internal/")
      return rest.length > 0 && !file.startsWith(`${folder}/`)
    })
    assert.deepEqual(show(offences), [])
  })

  it("of what the runtime decides are made where the services are wired", () => {
    const offences = imports.filter(({ file, specifier }) =>
      specifier.startsWith("#") && !["services", "Basilica", "promise"].includes(partOf(file))
    )
    assert.deepEqual(show(offences), [])
  })

  it("of packages are effect's modules, and Node's only in local and node", () => {
    const offences = imports.filter(({ file, specifier }) => {
      if (specifier.startsWith("#") || specifier.startsWith(".") || specifier.startsWith("effect/")) return false
      if (/^undici(\/|$)/.test(specifier)) return !transport.has(file)
      return !(forNode.has(partOf(file)) && /^node:|^@effect\/platform-node(-shared)?(\/|$)/.test(specifier))
    })
    assert.deepEqual(show(offences), [])
  })
})
