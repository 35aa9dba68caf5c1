import { resolve } from "node:path"
import { API, type Checker, type Symbol, SymbolFlags } from "typescript/unstable/sync"
import { afterAll, assert, describe, expect, it } from "vitest"
import manifest from "../../package.json" with { type: "json" }

const root = resolve(import.meta.dirname, "../..")
const project = resolve(root, "tsconfig.build.json")

const faces = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === "string"
    ? []
    : [{ face: subpath.replace(".", manifest.name), source: target["basilica-sdk-source"] }]
)

const api = new API({ cwd: root })
const compiled = api.updateSnapshot({ openProject: project }).getProject(project)
afterAll(() => api.close())

/** One line for each name that a module exports, and for the members of the namespaces among them. */
const namesOf = (checker: Checker, module: Symbol, values: object, prefix = ""): ReadonlyArray<string> =>
  checker.getExportsOfModule(module).flatMap((symbol) => {
    const target = symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
    const name = prefix + symbol.name
    const value: unknown = Reflect.get(values, symbol.name)
    if (target.flags & SymbolFlags.ValueModule && typeof value === "object" && value !== null) {
      return namesOf(checker, target, value, `${name}.`)
    }
    const kinds = [symbol.name in values ? "value" : "", target.flags & SymbolFlags.Type ? "type" : ""]
    return [`${name}: ${kinds.filter(Boolean).join(", ")}`]
  }).toSorted()

// `npx vitest run --project packaging -u` records a change that is meant.
describe.each(faces)("the names of $face", ({ face, source }) => {
  it("are those that were promised", async () => {
    const file = compiled?.program.getSourceFile(resolve(root, source))
    const module = file && compiled?.checker.getSymbolAtLocation(file)
    assert.isDefined(compiled)
    assert.isDefined(module)
    const names = namesOf(compiled.checker, module, await import(face))
    assert.isNotEmpty(names)
    await expect(`${names.join("\n")}\n`).toMatchFileSnapshot(`surface/${face.replace("/", "-")}.txt`)
  })
})
