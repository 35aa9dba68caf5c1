import { BasilicaClient, DeploymentError, DeployOutcomeUnknown } from "basilica-sdk/promise"

const basilica = new BasilicaClient()
try {
  const job = await basilica.deployments.deploy({ gpu: { count: 1000 }, image: "ubuntu:24.04", noSsh: true })
  await basilica.deployments.stop(job.id)
} catch (error) {
  if (error instanceof DeployOutcomeUnknown) {
    console.error(error.message, error.candidates) // one of these may be running, and billed
    throw error
  }
  if (!(error instanceof DeploymentError)) throw error
  console.error(error.message) // refused: nothing runs
} finally {
  await basilica.close()
}
