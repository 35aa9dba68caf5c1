// The main job, from end to end: find a machine, run a program on it, follow its log, stop it.
//
//   npm start   in the repository
//   node examples/quickstart.ts   in a copy of this folder, beside an installed basilica-sdk
//
// Without an account it runs against a Basilica that it starts on this machine. With BASILICA_API_TOKEN set it uses the
// one at BASILICA_API_URL, by default the real service, and rents a machine there, which costs money until it is stopped:
// this program stops it on every way out, Ctrl-C too.
import { BasilicaClient, type Deployment, type Executor, type LogEntry, Timestamp } from "basilica-sdk/promise"
import process from "node:process"
import { connect } from "./support/connect.ts"
import { printable } from "./support/printable.ts"
import { nodeProgram } from "./support/program.ts"
import { sshKey } from "./support/sshKey.ts"

const started = performance.now()
const seconds = (from: number) => `${((performance.now() - from) / 1000).toFixed(2)} s`
const say = (text: string) => console.log(text)
const fail = (error: unknown) => {
  process.exitCode = 1
  console.error(`\n${error instanceof Error ? error.message : String(error)}`)
}

// npm and the terminal may each pass Ctrl-C on, so it can come twice: the second one must not cut the cleaning short.
const interruption = new AbortController()
const { signal } = interruption
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (!signal.aborted) say("\nInterrupted. What was deployed is stopped first; this takes a moment.")
    interruption.abort()
  })
}

// The same where nobody reads the output any more, as with `npm start | head`.
process.stdout.on("error", () => interruption.abort())

const connection = await connect()
const basilica = new BasilicaClient(connection.options)
let deployment: Deployment | undefined

try {
  if (connection.localUrl === undefined) {
    const url = process.env["BASILICA_API_URL"]
    say(url === undefined ? "1. Basilica, the real service" : `1. The Basilica at ${url}`)
    say("   It is used because BASILICA_API_TOKEN is set.")
    say("   A machine is rented there for some minutes at most, which may cost money.")
  } else {
    say("1. A Basilica on this machine")
    say(`   ${connection.localUrl} speaks the API of the real one, and runs commands as processes.`)
    say("   No account is needed. Set BASILICA_API_TOKEN to use the one at BASILICA_API_URL, by default the real one.")
  }
  const health = await basilica.health({ signal })
  say(printable(`   It answers: ${health.status}, version ${health.version}`))

  say("\n2. List the executors that are free")
  if (connection.localUrl !== undefined) say("   These are made up, in the manner of real ones.")
  const executors = await basilica.executors.listAvailable({}, { signal })
  for (const executor of executors.items.slice(0, 8)) say(`   ${printable(describe(executor))}`)
  if (executors.items.length > 8) say(`   and ${executors.items.length - 8} more`)
  const executor = smallest(executors.items)
  if (executor === undefined) throw new Error("No executor with a GPU is free right now. Try again later.")

  say("\n3. Deploy a training job on the smallest one that has a GPU")
  if (connection.localUrl === undefined) say("   This can take some minutes: the machine pulls the image first.")
  const key = connection.localUrl === undefined ? sshKey() : "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA local@example"
  const sent = performance.now()
  deployment = await basilica.deployments.deploy({
    executorId: executor.id,
    image: "node:24-slim",
    command: nodeProgram("train.mjs"),
    environment: { EPOCHS: "12", PAUSE_MS: "400", STAY: "yes" },
    ...(key === undefined ? { noSsh: true } : { sshKey: key })
  }, { signal })
  say(`   Deployed in ${seconds(sent)}: ${deployment.id}`)
  const status = await basilica.deployments.status(deployment.id, { signal })
  say(`   Status: ${status._tag}`)
  say(`   SSH: ${deployment.ssh?.command ?? "none, because you have no ~/.ssh/id_ed25519.pub to let in"}`)
  if (connection.localUrl !== undefined) {
    say("        (a real machine lets you in there; behind the local one nobody answers)")
  }

  say("\n4. Follow its log while it runs")
  let finished = false
  for await (const entry of basilica.deployments.logs(deployment.id, { follow: true, signal })) {
    say(`   ${printable(logLine(entry))}`) // a program can write anything
    finished = entry.message === "done"
    if (finished) break
  }
  if (!finished && !signal.aborted) throw new Error("The program ended before it was done.")
} catch (error) {
  // After Ctrl-C every call rejects with the signal's reason: that is no failure.
  if (!signal.aborted) fail(error)
}

if (deployment !== undefined) {
  const { id } = deployment
  say("\n5. Stop it, because a deployment that runs on is billed")
  try {
    // Whatever the look at it says, it has to be stopped.
    const before = await basilica.deployments.status(id).catch(() => undefined)
    say(`   Before: ${before?._tag ?? "its status is not known"}${await processes()}`)
    await basilica.deployments.stop(id)
    const { items } = await basilica.deployments.list()
    const gone = items.every((other) => other.id !== id)
    say(`   After: stopped, and ${gone ? "not listed any more" : "STILL LISTED"}${await processes()}`)
    if (!gone || await connection.running() > 0) throw new Error(`Something still runs. Look after ${id}.`)
  } catch (error) {
    fail(error)
  }
}

// A deploy that was interrupted half-way is waited for and stopped here.
await basilica.close()
await connection.close()
const end = signal.aborted ? "Interrupted" : process.exitCode === undefined ? "Done" : "Failed"
say(`\n${end} after ${seconds(started)}.`)
if (signal.aborted) process.exitCode = 130

async function processes(): Promise<string> {
  return connection.localUrl === undefined ? "" : `; processes of the local Basilica: ${await connection.running()}`
}

function smallest(executors: ReadonlyArray<Executor>): Executor | undefined {
  const isSmaller = (one: Executor, other: Executor) =>
    one.gpus.length < other.gpus.length || (one.gpus.length === other.gpus.length && one.cpu.cores < other.cpu.cores)
  return executors
    .filter((executor) => executor.gpus.length > 0)
    .reduce<Executor | undefined>((best, one) => best === undefined || isSmaller(one, best) ? one : best, undefined)
}

function describe({ cpu, gpus, id, location }: Executor): string {
  const gpu = gpus[0] === undefined ? "no GPU" : `${gpus.length} x ${gpus[0].name}`
  const place = [location.city, location.country].filter((part) => part !== undefined).join(", ")
  const [cores, memory] = [String(cpu.cores).padStart(3), String(cpu.memoryGb).padStart(4)]
  return `${id.slice(0, 8)}  ${gpu.padEnd(27)}  ${cores} cores  ${memory} GB  ${place === "" ? "somewhere" : place}`
}

function logLine({ message, stream, timestamp }: LogEntry): string {
  const time = Timestamp.toDate(timestamp)?.toISOString().slice(11, 23) ?? timestamp
  return `${time}  ${stream === "stdout" ? "" : `[${stream}] `}${message}`
}
