import { BasilicaClient, type LogCursor, LogGap } from "basilica-sdk/promise"
import process from "node:process"

const basilica = new BasilicaClient()

/** Prints a log to its end, and says where lines may be missing. */
const print = async (id: string, from?: LogCursor): Promise<void> => {
  try {
    for await (const line of basilica.deployments.logs(id, { follow: true, from })) console.log(line.message)
  } catch (error) {
    if (!(error instanceof LogGap)) throw error
    console.warn(error.message)
    await print(id, error.cursor)
  }
}

const [, , id = ""] = process.argv
await print(id).finally(() => basilica.close())
