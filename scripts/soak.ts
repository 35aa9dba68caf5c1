/**
 * Uses everything for a long time, with something going wrong every two seconds, and looks at what grows. `npm run soak`,
 * with `--minutes=10`, `--streams=200`, `--lines=20` (a second and stream), `--calls=50` (a second). Ends with an error
 * where something was left, lost or grown.
 */
import { Basilica, Deployments, Executors, Health } from "basilica-sdk"
import { FaultyBasilica } from "basilica-sdk/local"
import { NodeHttpClient } from "basilica-sdk/node"
import { type Fault, FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import { Cause, Context, Effect, Exit, Layer, Logger, Schedule, Scope, Stream } from "effect"
import { HttpClient } from "effect/http"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const option = (name: string, fallback: number) =>
  Number(process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split("=")[1] ?? fallback)
const minutes = option("minutes", 10)
const streams = option("streams", 200)
const linesPerSecond = option("lines", 20)
const callsPerSecond = option("calls", 50)
const seed = option("seed", Math.floor(Math.random() * 2 ** 31))

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void
process.on("unhandledRejection", () => counts.unhandled++)
process.on("uncaughtException", () => counts.unhandled++)

const counts = {
  calls: 0,
  failed: 0,
  lines: 0,
  outOfOrder: 0,
  cuts: 0,
  deploys: 0,
  unknown: 0,
  unhandled: 0,
  defects: 0
}

let state = seed
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}
const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)] as A

/** Logs as fast as the wanted rate, each connection cut after a minute as the service cuts it after fifteen. */
const logServer = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
    const open = new Set<ServerResponse>()
    const server = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      let count = 0
      const timer = setInterval(() => {
        if (response.writableNeedDrain) return
        response.write(
          `data:{"message":"${count++}","stream":"stdout","timestamp":"2025-09-20T12:00:00.123456789Z"}\n\n`
        )
      }, 1000 / linesPerSecond)
      const end = setTimeout(() => response.destroy(), 60_000)
      open.add(response)
      response.on("close", () => {
        open.delete(response)
        clearInterval(timer)
        clearTimeout(end)
      })
    })
    server.listen(0, "127.0.0.1", () =>
      resume(Effect.succeed({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        close: () => {
          for (const response of open) response.destroy()
          server.close()
        }
      })))
  }),
  (server) => Effect.sync(server.close)
)

const faults = new FaultScript()
const kinds: ReadonlyArray<Fault> = [
  { after: "head", end: "reset" },
  { after: "body", end: "close" },
  { after: "work", end: "reset" },
  { after: "work", cut: { body: 20 }, end: "close" },
  { after: "body", reply: { status: 503 } },
  { after: "work", reply: { status: 500 } },
  { after: "work", wire: { before: "HELLO\r\n" } },
  { after: "work", pace: { bytes: 10, every: "20 millis" } },
  { after: "body", reply: { status: 429, headers: { "retry-after": "1" } } }
]

const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    counts.calls++
    if (Exit.isFailure(exit)) counts.failed++
    if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) counts.defects++
    return exit
  })

const program = Effect.gen(function*() {
  const memory = yield* MemoryBasilica
  const front = Context.get(
    yield* Layer.build(Layer.provide(
      FaultyBasilica.layer({ service: memory.url, faults }),
      Layer.succeed(HttpClient.HttpClient, memory.httpClient)
    )),
    FaultyBasilica
  )
  const logs = yield* logServer
  const work = yield* Scope.make()
  const client = (baseUrl: string) =>
    Layer.buildWithScope(
      Layer.fresh(Layer.provide(
        Basilica.layerHttpClient({ baseUrl, token: memory.token, timeout: "10 seconds", deployTimeout: "20 seconds" }),
        NodeHttpClient.layer
      )),
      work
    )
  const services = yield* client(front.url)
  const following = yield* client(logs.url)
  const { deployments, executors, health } = {
    deployments: Context.get(services, Deployments),
    executors: Context.get(services, Executors),
    health: Context.get(services, Health)
  }
  const logsOf = Context.get(following, Deployments)

  const mixed = Effect.suspend(() =>
    counted(pick<Effect.Effect<unknown, unknown>>([health.check, executors.listAvailable(), deployments.list()]))
  )
  const deployAndStop = counted(Effect.scoped(Effect.gen(function*() {
    const exit = yield* Effect.exit(
      deployments.scoped({ gpu: {}, image: "acme/soak:1", noSsh: true })
    )
    counts.deploys++
    if (Exit.isFailure(exit)) {
      const error = Cause.squash(exit.cause)
      if ((error as { readonly _tag?: string })._tag === "DeployOutcomeUnknown") counts.unknown++
    }
  })))
  const follow = (index: number) =>
    Effect.suspend(() => {
      let next = 0
      return logsOf.logs(`rental-${index}`, { follow: true }).pipe(
        Stream.runForEach(({ message }) =>
          Effect.sync(() => {
            counts.lines++
            if (message !== "0" && Number(message) !== next) counts.outOfOrder++
            next = Number(message) + 1
          })
        ),
        Effect.ignore,
        Effect.andThen(Effect.sync(() => counts.cuts++)),
        Effect.andThen(Effect.sleep("100 millis"))
      )
    })

  const every = <A, E>(effect: Effect.Effect<A, E>, millis: number) =>
    Effect.forkIn(
      Effect.repeat(Effect.forkIn(effect, work), Schedule.spaced(millis)),
      work
    )
  yield* every(mixed, 1000 / callsPerSecond)
  yield* every(deployAndStop, 1000)
  yield* every(Effect.sync(() => faults.add({ fault: pick(kinds), times: 1 })), 2000)
  yield* every(Effect.sync(() => faults.clear()), 30_000)
  yield* Effect.forEach(
    Array.from({ length: streams }, (_, index) => index),
    (index) => Effect.forkIn(Effect.delay(Effect.forever(follow(index)), random() * 1000), work)
  )

  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const samples: Array<{ readonly minute: number; readonly rssMiB: number; readonly heapMiB: number }> = []
  for (let minute = 0; minute <= minutes; minute++) {
    if (minute > 0) yield* Effect.sleep("1 minute")
    collect()
    const { heapUsed, rss } = process.memoryUsage()
    samples.push({ minute, rssMiB: Math.round(rss / 2 ** 20), heapMiB: Math.round(heapUsed / 2 ** 20) })
    console.log(JSON.stringify({ ...samples.at(-1), ...counts, delayP99: Math.round(delay.percentile(99) / 1e6) }))
  }
  delay.disable()
  faults.clear()
  yield* Scope.close(work, Exit.void)
  yield* Effect.sleep("1 second")
  const left = { running: (yield* memory.running).length, connections: yield* front.connections }
  const middle = samples[Math.ceil(samples.length / 2)] ?? samples[0]
  const last = samples.at(-1)
  const growth = (last?.heapMiB ?? 0) / Math.max(1, middle?.heapMiB ?? 1) - 1
  console.log(JSON.stringify({ seed, minutes, ...left, heapGrowthOfSecondHalf: Number(growth.toFixed(3)), ...counts }))
  const problems = [
    left.running > counts.unknown ? `${left.running} machines left running` : [],
    left.connections > 0 ? `${left.connections} connections left` : [],
    counts.outOfOrder > 0 ? `${counts.outOfOrder} lines lost or doubled` : [],
    counts.unhandled > 0 ? `${counts.unhandled} unhandled` : [],
    counts.defects > 0 ? `${counts.defects} defects` : [],
    minutes >= 4 && growth > 0.1 ? "the heap grows" : []
  ].flat()
  for (const problem of problems) console.log(`FAILED: ${problem}`)
  if (problems.length > 0) process.exitCode = 1
})

console.log(`seed ${seed}`)
await Effect.runPromise(
  Effect.provide(Effect.scoped(program), Layer.merge(MemoryBasilica.layerServer(), Logger.layer([])))
)
process.exit()
