/**
 * Makes one file of the Promise face for Node, with what it uses of Effect: Node takes longer to find and to read
 * hundreds of modules than to run them. Undici stays a package of its own. Run it after `tsc`.
 */
import { build } from "esbuild"
import { readFileSync, writeFileSync } from "node:fs"
import manifest from "../package.json" with { type: "json" }

const file = manifest.exports["./promise"].node

const { metafile } = await build({
  entryPoints: [manifest.exports["./promise"].default],
  outfile: file,
  bundle: true,
  external: Object.keys(manifest.dependencies).map((name) => `${name}/*`),
  metafile: true,
  platform: "node",
  format: "esm",
  target: "node20",
  logLevel: "warning"
})

const packages = new Set(
  Object.keys(metafile.inputs).flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? [])
)
const notices = [...packages].toSorted().map((name) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")) as {
    readonly version: string
  }
  return `${name} ${version}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`
})
writeFileSync(`${file}.LICENSES.txt`, `${file.slice("./dist/".length)} contains parts of:\n\n${notices.join("\n")}`)
