/** The table of marks and figures. */
import { cpus } from "node:os"

/** What was measured. */
export interface Row {
  readonly what: string
  readonly mark: { readonly atLeast: number } | { readonly atMost: number }
  readonly figure: number
  /** Such as `×` or ` MiB`, behind the figure. */
  readonly unit: string
  /** The same of others. */
  readonly beside?: Readonly<Record<string, number>>
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
  const number = (value: number) =>
    value >= 1000 ? Math.round(value).toLocaleString("en") : Number.isInteger(value) ? `${value}` : value.toFixed(2)
  const cells = rows.map((row) => {
    const show = (value: number) => `${number(value)}${row.unit}`
    const mark = "atLeast" in row.mark ? `≥ ${show(row.mark.atLeast)}` : `≤ ${show(row.mark.atMost)}`
    const beside = Object.entries(row.beside ?? {}).map(([name, value]) => `${name} ${show(value)}`).join(", ")
    return [row.what, mark, show(row.figure), isMet(row) ? "yes" : "**no**", beside]
  })
  const all = [["What", "Mark", "Figure", "Met", "Beside it"], ["---", "---", "---", "---", "---"], ...cells]
  return all.map((line) => `| ${line.join(" | ")} |`).join("\n")
}

/** What it was measured on. */
export const machine = (): string =>
  `Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${process.platform}`
