import { BasilicaClient, PortMapping } from "basilica-sdk/promise"
import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"

const basilica = new BasilicaClient()
try {
  const job = await basilica.deployments.scoped({
    gpu: { count: 1 },
    image: "nginx:1.29",
    sshKey: readFileSync(join(homedir(), ".ssh/id_ed25519.pub"), "utf8").trim(),
    ports: [PortMapping.tcp(80)] // port 80 of the container, behind any free port of the machine
  })
  console.log(job.ssh?.command) // ssh -p 32776 root@84.200.81.243

  const web = job.ports?.find((port) => port.containerPort === 80)
  console.log(`http://${job.ssh?.host}:${web?.hostPort}`) // http://84.200.81.243:32777
} finally {
  await basilica.close()
}
