// Completes package-lock.json where the registry at hand does not carry the binaries of every platform: npm leaves such optional
// packages out of the lock that it writes, and then `npm ci` refuses the lock. Run it after a change of the dependencies.
import { readFileSync, writeFileSync } from "node:fs"

interface Entry {
  readonly optionalDependencies?: Record<string, string>
  readonly dev?: boolean
  readonly [key: string]: unknown
}

const lock: { readonly packages: Record<string, Entry> } = JSON.parse(readFileSync("package-lock.json", "utf8"))

/** What npm would have read in the package itself, told by its name, as in `@oxlint/binding-linux-x64-musl`. */
const platformOf = (name: string) => {
  const words = name.split(/[-/]/)
  const among = (known: ReadonlyArray<string>) => words.filter((word) => known.includes(word))
  return {
    cpu: among(["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64"]),
    libc: words.flatMap((word) => word.startsWith("musl") ? "musl" : /^(gnu|glibc)/.test(word) ? "glibc" : []),
    os: among(["android", "darwin", "freebsd", "linux", "openharmony", "win32"])
  }
}

const missing = Object.values(lock.packages).flatMap((parent) =>
  Object.entries(parent.optionalDependencies ?? {}).flatMap(([name, version]) => {
    const path = `node_modules/${name}`
    if (path in lock.packages) return []
    const { cpu, libc, os } = platformOf(name)
    if (!/^\d/.test(version) || cpu.length === 0 || os.length === 0) {
      throw new Error(`Cannot tell what ${name}@${version} is for`)
    }
    return [[path, {
      version,
      cpu,
      ...(parent.dev && { dev: true }),
      ...(os.includes("linux") && libc.length > 0 && { libc }),
      optional: true,
      os
    }]] as const
  })
)

const packages = Object.fromEntries(
  [...Object.entries(lock.packages), ...missing].toSorted(([a], [b]) => a.localeCompare(b, "en"))
)
writeFileSync("package-lock.json", `${JSON.stringify({ ...lock, packages }, null, 2)}\n`)
console.log(`package-lock.json: ${missing.length} packages added`)
