import { BasilicaClient } from "basilica-sdk/promise"

const basilica = new BasilicaClient() // reads BASILICA_API_TOKEN
try {
  const { items } = await basilica.executors.listAvailable({ gpuType: "h100", minGpuCount: 1 })
  console.log(`${items.length} machines are free`)

  const job = await basilica.deployments.deploy({
    gpu: { type: "h100", count: 1 },
    image: "ubuntu:24.04",
    command: ["uname", "-a"],
    noSsh: true
  })
  try {
    for await (const line of basilica.deployments.logs(job.id, { follow: true })) {
      console.log(line.message)
    }
  } finally {
    await basilica.deployments.stop(job.id)
  }
} finally {
  await basilica.close()
}
