import { BasilicaClient, LogCursor } from "basilica-sdk/promise"
import { readFile, writeFile } from "node:fs/promises"
import process from "node:process"

const basilica = new BasilicaClient()
const [, , id = ""] = process.argv

const saved = await readFile("log.cursor", "utf8").catch(() => undefined)
let cursor = saved === undefined ? LogCursor.start(id) : JSON.parse(saved) as LogCursor
for await (const line of basilica.deployments.logs(id, { follow: true, from: cursor })) {
  console.log(line.message)
  cursor = LogCursor.after(cursor, line)
  await writeFile("log.cursor", JSON.stringify(cursor))
}
await basilica.close()
