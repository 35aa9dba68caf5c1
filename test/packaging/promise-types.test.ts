import { existsSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { assert, it } from "vitest"

const entry = resolve(import.meta.dirname, "../../dist/promise.d.ts")

/** Every declaration file that the entry reaches, with the packages that each names. */
const reach = (file: string, seen = new Map<string, ReadonlyArray<string>>()): typeof seen => {
  if (seen.has(file)) return seen
  const specifiers = [...readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"([^"]+)"/g)].flatMap((match) =>
    match[1] ?? []
  )
  seen.set(file, specifiers.filter((specifier) => !specifier.startsWith(".")))
  for (const specifier of specifiers.filter((one) => one.startsWith("."))) {
    const target = resolve(dirname(file), specifier).replace(/\.(?:ts|js)$/, ".d.ts")
    assert.isTrue(existsSync(target), `${file} names ${specifier}`)
    reach(target, seen)
  }
  return seen
}

it("the declarations of the Promise face reach no type of another package", () => {
  const files = reach(entry)
  assert.isAbove(files.size, 20)
  const offences = [...files].flatMap(([file, packages]) => packages.map((name) => `${file} names ${name}`))
  assert.deepEqual(offences, [])
})
