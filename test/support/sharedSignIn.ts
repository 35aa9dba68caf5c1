// One of several programs that share a token file: makes calls until so many were answered, and prints how it went.
import { AuthenticationError, BasilicaClient } from "basilica-sdk/promise"
import process from "node:process"

const [, , baseUrl = "", path = "", calls = "0"] = process.argv
await using basilica = new BasilicaClient({
  baseUrl,
  signIn: { domain: baseUrl },
  tokenFile: path
})

let refused = 0
let answered = 0
const caller = async () => {
  while (answered < Number(calls)) {
    try {
      await basilica.executors.listAvailable()
      answered++
    } catch (error) {
      // The new token may expire before this call comes to use it.
      if (!(error instanceof AuthenticationError) || error.kind !== "refused") throw error
      refused++
    }
  }
}
await Promise.all(Array.from({ length: 5 }, caller))
process.stdout.write(JSON.stringify({ answered, refused }))
