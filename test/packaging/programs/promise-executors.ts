import { BasilicaClient } from "basilica-sdk/promise"

const basilica = new BasilicaClient({ token: "token" })
console.log(await basilica.executors.listAvailable())
await basilica.close()
