/** The table of marks and figures. */
import { cpus } from "node:os"

/** What was measured. */
export interface Row {
  readonly what: string
  readonly mark: { readonly atLeast: number } | { readonly atMost: number }
  readonly figure: number
  /** Such as `×` or ` MiB`, behind the figure. */
  readonly unit: string
  /** The same of others, and what else there is to say. */
  readonly beside?: string
}

/** Whether a figure keeps its mark, or one that is so many times as easy. */
export const isMet = ({ figure, mark }: Row, slack = 1): boolean =>
  "atLeast" in mark ? figure >= mark.atLeast / slack : figure <= mark.atMost * slack

/** Hands the rows to whoever started this program, or prints them. */
export const report = (rows: ReadonlyArray<Row>): void => {
  if (process.send === undefined) console.log(table(rows))
  else process.send(rows)
}

/** The rows as a table in Markdown. */
export const table = (rows: ReadonlyArray<Row>): string => {
  const cells = rows.map((row) => {
    const show = (value: number) => `${digits(value)}${row.unit}`
    const mark = "atLeast" in row.mark ? `≥ ${show(row.mark.atLeast)}` : `≤ ${show(row.mark.atMost)}`
    return [row.what, mark, show(row.figure), isMet(row) ? "yes" : "**no**", row.beside ?? ""]
  })
  const all = [["What", "Mark", "Figure", "Met", "Beside it"], ["---", "---", "---", "---", "---"], ...cells]
  return all.map((line) => `| ${line.join(" | ")} |`).join("\n")
}

/** A number with as many digits as say something. */
export const digits = (value: number): string =>
  Number.isInteger(value) || value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value < 10 ? 2 : 1)

/** A figure of each of many. */
export const list = (figures: Iterable<readonly [string, number]>, unit: string): string =>
  Array.from(figures, ([name, figure]) => `${name} ${digits(figure)}${unit}`).join(", ")

/** What it was measured on. */
export const machine = (): string =>
  `Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${process.platform}`
