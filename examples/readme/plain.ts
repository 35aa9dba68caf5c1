import { BasilicaClient } from "basilica-sdk/promise"

const basilica = new BasilicaClient() // reads BASILICA_API_TOKEN
try {
  const { items } = await basilica.executors.listAvailable({ gpuType: "h100", minGpuCount: 1 })
  console.log(`${items.length} machines are free`)

  const job = await basilica.deployments.scoped({
    gpu: { type: "h100", count: 1 },
    image: "ubuntu:24.04",
    command: ["uname", "-a"],
    noSsh: true
  })
  for await (const line of basilica.deployments.logs(job.id, { follow: true })) {
    console.log(line.message)
  }
} finally {
  await basilica.close() // stops the job, as Ctrl-C does; a plain deploy would run on
}
