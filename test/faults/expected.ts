import { readFileSync } from "node:fs"
import { join } from "node:path"

/** The rows of `matrix.md`, by fault. */
export const table: ReadonlyMap<string, ReadonlyArray<string>> = new Map(
  readFileSync(join(import.meta.dirname, "matrix.md"), "utf8").split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
    .map(([fault = "", ...cells]) => [fault, cells] as const)
)

export const columns: ReadonlyArray<string> = table.get("fault") ?? []

/** How a call ends, and the most that is sent, with a fault at its first attempt or at all. */
export const expected = (
  fault: string,
  operation: string,
  way: "first" | "all"
): { readonly tag: string; readonly sends: number } | undefined => {
  const cell = table.get(fault)?.[columns.indexOf(operation)]?.split(" / ")[way === "first" ? 0 : 1]
  const [, tag, sends] = /^(\w+) (\d+)$/.exec(cell ?? "") ?? []
  return tag === undefined ? undefined : { tag, sends: Number(sends) }
}
