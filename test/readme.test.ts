import { assert, describe, it } from "@effect/vitest"
import { LocalBasilica } from "basilica-sdk/local"
import { BasilicaClient } from "basilica-sdk/promise"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, posix, resolve } from "node:path"
import process from "node:process"
import * as sdk from "../src/index.ts"

const root = resolve(import.meta.dirname, "..")
const read = (path: string) => readFileSync(resolve(root, path), "utf8")
const readme = read("README.md")
const documents = ["README.md", "CONTRIBUTING.md", ...readdirSync(resolve(root, "docs")).map((name) => `docs/${name}`)]

/** Every block of code, with the link in the line before it. */
const blocksOf = (text: string) =>
  [...text.matchAll(/(?:\]\(([^)]+)\)\n\n)?```(\w*)\n([\s\S]*?)```/g)].map(
    ([, file, language, code]) => ({ file, language, code })
  )
const blocks = blocksOf(readme)
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
      const { running } = yield* LocalBasilica
      const { stdout } = yield* run(`examples/readme/${name}`)
      assert.match(stdout, /^(Linux|Darwin) /m)
      assert.deepStrictEqual(yield* running, [])
    }).pipe(Effect.provide(LocalBasilica.layer())))
})

/** Runs a program of this repository as its user would, in a directory of its own. */
const run = Effect.fnUntraced(function*(
  file: string,
  { env = {}, onLine = () => {}, parameters = [] }: {
    readonly env?: Record<string, string | undefined>
    readonly onLine?: (line: string) => void
    readonly parameters?: ReadonlyArray<string>
  } = {}
) {
  const { token, url } = yield* LocalBasilica
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "basilica-document-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  mkdirSync(join(directory, ".ssh"))
  writeFileSync(join(directory, ".ssh/id_ed25519.pub"), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@host\n")
  return yield* Effect.callback<{ readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = execFile(
      process.execPath,
      ["--conditions=basilica-sdk-source", resolve(root, file), ...parameters],
      {
        cwd: directory,
        env: {
          ...process.env,
          BASILICA_API_URL: url,
          BASILICA_API_TOKEN: Redacted.value(token),
          HOME: directory,
          XDG_DATA_HOME: directory,
          ...env
        }
      },
      (error, stdout, stderr) => resume(error === null ? Effect.succeed({ stdout, stderr }) : Effect.die(error))
    )
    child.stdout?.on("data", (text) => String(text).split("\n").forEach(onLine))
    return Effect.sync(() => child.kill())
  })
}, Effect.scoped)

describe("the documents", () => {
  it.each(documents)("%s links to what there is", (document) => {
    for (const [, target = ""] of read(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (!target.startsWith("https://")) assert.isTrue(existsSync(resolve(root, dirname(document), target)), target)
    }
  })

  it("show programs that are files of examples/docs, and every file of it", () => {
    const shown = documents.filter((document) => document.startsWith("docs/")).flatMap((document) =>
      blocksOf(read(document)).filter(({ language }) => language === "ts").map(({ code, file }) => {
        if (file !== undefined) assert.strictEqual(code, read(posix.join("docs", file)), `${document} shows ${file}`)
        return code
      })
    )
    const files = readdirSync(resolve(root, "examples/docs")).map((name) => `examples/docs/${name}`)
    assert.sameMembers(shown, files.map(read))
  })

  /** What is printed by each program that is no test, which runs by itself. */
  const printed: Record<string, RegExp> = {
    "cursor.ts": /^one\ntwo\n$/,
    "errors.ts": /^$/,
    "errorsEffect.ts": /^it is stopped, or was never there\n$/,
    "gap.ts": /^one\ntwo\n$/,
    "reach.ts": /^ssh -p \d+ \w+@127\.0\.0\.1\nhttp:\/\/127\.0\.0\.1:\d+\n$/,
    "reconcile.ts": /^rental-\S+ is written down until it is stopped\n$/,
    "reconcileEffect.ts": /^$/,
    "signin.ts": /^Enter the code \S+ at \S+\nSigned in; kept in the token file \S+\n\d machines are free\n$/
  }

  it.live.each(readdirSync(resolve(root, "examples/docs")).filter((name) => !name.endsWith(".test.ts")))(
    "show %s, which runs as it stands",
    (name) =>
      Effect.gen(function*() {
        const { running, token, url } = yield* LocalBasilica
        const basilica = new BasilicaClient({ baseUrl: url, token: Redacted.value(token) })
        const { id } = yield* Effect.promise(() =>
          basilica.deployments.deploy({ gpu: {}, image: "any", command: ["printf", "one\\ntwo\\n"], noSsh: true })
        )
        const { stdout } = yield* run(`examples/docs/${name}`, {
          parameters: [id],
          env: name === "signin.ts" ? { BASILICA_API_TOKEN: undefined, BASILICA_AUTH0_DOMAIN: url } : {},
          onLine: (line) => {
            const [, code = "", address = ""] = /^Enter the code (\S+) at (\S+)$/.exec(line) ?? []
            const body = new URLSearchParams({ user_code: code, answer: "confirm" })
            if (address !== "") void fetch(address, { method: "POST", body })
          }
        })
        assert.match(stdout, printed[name] ?? /^ $/)
        yield* Effect.promise(() => basilica.deployments.stop(id).finally(() => basilica.close()))
        assert.deepStrictEqual(yield* running, [])
      }).pipe(Effect.provide(LocalBasilica.layer({ deviceSignIn: true, deviceInterval: "50 millis" }))),
    30_000
  )
})
