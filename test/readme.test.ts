import { assert, describe, it } from "@effect/vitest"
import { LocalBasilica } from "basilica-sdk/local"
import { BasilicaClient } from "basilica-sdk/promise"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { promisify } from "node:util"
import * as sdk from "../src/index.ts"

const root = resolve(import.meta.dirname, "..")
const read = (path: string) => readFileSync(resolve(root, path), "utf8")
const readme = read("README.md")
const documents = ["README.md", "CONTRIBUTING.md", ...readdirSync(resolve(root, "docs")).map((name) => `docs/${name}`)]

/** Every block of code, with the link in the line before it. */
const blocks = [...readme.matchAll(/(?:\]\(([^)]+)\)\n\n)?```(\w*)\n([\s\S]*?)```/g)].map(
  ([, file, language, code]) => ({ file, language, code })
)
const programs = blocks.filter(({ language }) => language === "ts")

describe("the README", () => {
  it("shows three programs, which are files of examples/readme", () => {
    assert.deepStrictEqual(
      programs.map(({ file }) => file),
      ["examples/readme/plain.ts", "examples/readme/effect.ts", "examples/readme/mocks.test.ts"]
    )
    for (const { code, file } of programs) assert.strictEqual(code, read(file ?? ""), file)
  })

  it("names scripts that there are", () => {
    const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: { readonly [name: string]: string } }
    const commands = blocks.filter(({ language }) => language === "sh").map(({ code }) => code?.trim())
    assert.includeMembers(commands, ["npm ci && npm start", "npm ci && npm test"])
    assert.containsAllKeys(scripts, ["start", "test"])
  })

  it("names every environment variable that the SDK reads, and no other", () => {
    const namesIn = (text: string) => new Set(text.match(/\bBASILICA_[A-Z0-9_]+\b/g) ?? [])
    const source = globSync("src/**/*.ts", { cwd: root }).map(read).join("\n")
    const configured = source.match(/Config\.\w+\(\s*"BASILICA_[A-Z0-9_]+"/g)?.join("\n") ?? ""
    assert.sameMembers([...namesIn(readme)], [...namesIn(configured)])
  })

  it("names every operation, by both of its names", () => {
    const { apiKeys, deployments, executors } = new BasilicaClient({ token: "none" })
    for (const [group, members] of Object.entries({ apiKeys, deployments, executors })) {
      const service = group.charAt(0).toUpperCase() + group.slice(1)
      for (const member of Object.keys(members)) {
        assert.match(readme, new RegExp(`^\\| \`${service}\\.${member}\\b.*\`${group}\\.${member}\\(`, "m"))
      }
    }
  })

  it("and docs/errors.md name every error", () => {
    const errors = Object.entries(sdk).filter(([, value]) =>
      typeof value === "function" && value.prototype instanceof Error
    )
    assert.isAbove(errors.length, 10)
    for (const [name] of errors) {
      assert.include(readme, `\`${name}\``)
      assert.include(read("docs/errors.md"), `| \`${name}\``)
    }
  })

  it.live.each(["plain.ts", "effect.ts"])("%s runs as it stands", (name) =>
    Effect.gen(function*() {
      const { running, token, url } = yield* LocalBasilica
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)(
          process.execPath,
          ["--conditions=basilica-sdk-source", resolve(root, "examples/readme", name)],
          { env: { ...process.env, BASILICA_API_URL: url, BASILICA_API_TOKEN: Redacted.value(token) } }
        )
      )
      assert.match(stdout, /^(Linux|Darwin) /m)
      assert.deepStrictEqual(yield* running, [])
    }).pipe(Effect.provide(LocalBasilica.layer())), 30_000)
})

describe("the documents", () => {
  it.each(documents)("%s links to what there is", (document) => {
    for (const [, target = ""] of read(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (!target.startsWith("https://")) assert.isTrue(existsSync(resolve(root, dirname(document), target)), target)
    }
  })
})
