// Makes each call of the attack against the server, and says by how much the memory of this process grew at most.
import { Basilica, Deployments, Executors } from "basilica-sdk"
import { Effect, Exit, Layer, Schedule, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import process from "node:process"

const [url = "", transport = "", ...attacks] = process.argv.slice(2)

const services = (name: string) => {
  const options = { baseUrl: `${url}/${name}`, token: "secret-token-1", timeout: "10 minutes" } as const
  const client = Basilica.layerHttpClient({ ...options, retry: Schedule.recurs(0) })
  return transport === "fetch" ? Layer.provide(client, FetchHttpClient.layer) : Basilica.layer({
    ...options,
    retry: Schedule.recurs(0)
  })
}

interface Failure {
  readonly _tag: string
  readonly message: string
}

const call = (name: string) => {
  const list = Executors.use((_) => _.listAvailable())
  const logs = Stream.runDrain(
    Stream.unwrap(Deployments.useSync((_) => _.logs("rental-1", { follow: true, maxReconnects: 0 })))
  )
  const attacked: Effect.Effect<unknown, Failure, Basilica.Services> = name.startsWith("log") ? logs : list
  return Effect.runPromiseExit(Effect.provide(attacked, services(name)))
}

const collect = (globalThis as { gc?: () => void }).gc
let peak = 0
let before = 0
// Garbage is not held: on a busy machine it lies for long, so it is collected before a height counts that is near the mark.
/** What is held: pages that the allocator keeps for later are the system's affair. */
const held = () => {
  const { external, heapUsed } = process.memoryUsage()
  return external + heapUsed
}

// Twice, because buffers that one collection finds without an owner are given back by the next. In steps of a mebibyte.
const look = () => {
  if (held() < peak + 2 ** 20) return
  if (held() - before > 24 * 2 ** 20) {
    collect?.()
    collect?.()
  }
  peak = Math.max(peak, held())
}
setInterval(look, 2).unref()

for (let round = 0; round < 20; round++) {
  await call("good")
  await call("log-good")
}
collect?.()

const grown: Record<string, readonly [number, string]> = {}
for (const name of attacks) {
  collect?.()
  before = held()
  peak = before
  const exit = await call(name)
  look()
  const how = Exit.isSuccess(exit) ?
    "success" :
    exit.cause.reasons.map((reason) =>
      reason._tag === "Fail" ? `${reason.error._tag}: ${reason.error.message}` : reason._tag
    ).join()
  grown[name] = [peak - before, how]
}
console.log(JSON.stringify(grown))
