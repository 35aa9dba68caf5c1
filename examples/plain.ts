// Plain TypeScript: promises, `for await`, errors by class or by `_tag`, and cancellation by AbortSignal.
//
//   npx node --conditions=basilica-sdk-source examples/plain.ts   in the repository
//   node examples/plain.ts   in a copy of this folder, beside an installed basilica-sdk
import { BasilicaClient, ConfigurationError, DeployOutcomeUnknown, NotFound, PortMapping } from "basilica-sdk/promise"
import assert from "node:assert/strict"
import process from "node:process"
import { connect } from "./support/connect.ts"
import { printable } from "./support/printable.ts"
import { nodeProgram } from "./support/program.ts"

// Every call takes a signal. With this one, Ctrl-C ends the calls, and `finally` below still stops the deployment.
const interruption = new AbortController()
process.on("SIGINT", () => interruption.abort())
const { signal } = interruption

const connection = await connect() // the one of your environment, or one on this machine
const basilica = new BasilicaClient({ ...connection.options, timeout: "30 seconds" })

try {
  // Filters are plain objects. A list holds what was understood, and says what was not.
  const { invalid, items } = await basilica.executors.listAvailable({ gpuType: "h100", minGpuCount: 1 })
  const executor = items.find((item) => item.gpus.length > 0)
  if (executor === undefined) throw new Error("no H100 is free")
  console.log(`${items.length} executors match, ${invalid.length} could not be read; taking ${executor.id}`)

  // A mistake in a config is found before anything is sent, and the error says what is allowed.
  try {
    await basilica.deployments.deploy({
      executorId: executor.id,
      image: "quay.io/acme/train",
      ports: [PortMapping.tcp(22)],
      noSsh: true
    })
    assert.fail("that should have been refused")
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    for (const { field, problem } of error.problems) console.log(`refused: ${field} ${problem}`)
  }

  const job = await basilica.deployments.deploy({
    executorId: executor.id,
    image: "node:24-slim",
    command: nodeProgram("train.mjs"),
    environment: { EPOCHS: "5", PAUSE_MS: "100" },
    resources: { cpuCores: 2, memoryMb: 2048 },
    noSsh: true
  }, { signal }).catch((error: unknown) => {
    // A deploy is sent once. Where its reply is lost, a machine may be running: look before you deploy again.
    if (error instanceof DeployOutcomeUnknown) console.error("these may be running:", error.candidates)
    throw error
  })

  try {
    // The log is given up after 20 seconds. To stop reading is not to stop the deployment: that is what `stop` is for.
    const patience = AbortSignal.any([signal, AbortSignal.timeout(20_000)])
    for await (const { message } of basilica.deployments.logs(job.id, { follow: true, signal: patience })) {
      console.log(printable(message)) // a program can write anything
    }
    console.log(`the job ended: ${(await basilica.deployments.status(job.id, { signal }))._tag}`)
  } finally {
    await basilica.deployments.stop(job.id)
  }

  // Errors can be told apart by `_tag` as well. Each says whether anything was done, and whether to try again.
  const error: unknown = await basilica.deployments.get(job.id).catch((reason: unknown) => reason)
  assert(error instanceof NotFound)
  console.log(`${error._tag}, outcome ${error.outcome}, retryable ${error.retryable}: ${error.message}`)
} finally {
  await basilica.close()
  await connection.close()
}
