import { BasilicaClient } from "basilica-sdk/promise"

const basilica = new BasilicaClient({ tokenFile: true })

for await (const step of basilica.deviceLogin()) {
  if (step._tag === "ShowCode") console.log(`Enter the code ${step.userCode} at ${step.verificationUri}`)
  if (step._tag === "SignedIn") console.log(`Signed in; kept in ${step.location}`)
}

const { items } = await basilica.executors.listAvailable()
console.log(`${items.length} machines are free`)

await basilica.signOut()
await basilica.close()
