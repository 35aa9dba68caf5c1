import { BasilicaClient } from "basilica-sdk/promise"

const basilica = new BasilicaClient({ journalFile: "deploys.journal" })

for (const left of await basilica.deployments.reconcile()) {
  console.log(`${left._tag}: ${left.intent.image}, sent at ${left.intent.sentAt}`)
}

const job = await basilica.deployments.scoped({ gpu: { count: 1 }, image: "ubuntu:24.04", noSsh: true })
console.log(`${job.id} is written down until it is stopped`)
await basilica.close()
