/**
 * Uses everything for a long time, with something going wrong every two seconds, and looks at what grows. Tokens live for
 * a minute, and followed logs are cut each minute and have to go on without a line lost or doubled. `npm run soak`,
 * with `--minutes=10`, `--streams=200`, `--lines=20` (a second and stream), `--calls=50` (a second). Ends with an error
 * where something was left, lost or grown.
 */
import { Basilica, Deployments, Executors, Health } from "basilica-sdk"
import { FaultyBasilica } from "basilica-sdk/local"
import { NodeHttpClient } from "basilica-sdk/node"
import { type Fault, FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import { Cause, Context, Effect, Exit, Layer, Logger, Metric, Schedule, Scope, Stream } from "effect"
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
  connections: 0,
  cuts: 0,
  logErrors: 0,
  deploys: 0,
  signedOut: 0,
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

/** A moment of the log: its lines come at the wanted rate, of two streams in turn, from the start of the soak on. */
const begin = Date.now()
const lineCount = () => Math.floor(((Date.now() - begin) * linesPerSecond) / 1000)
const eventOf = (index: number) =>
  `data:${
    JSON.stringify({
      message: String(Math.floor(index / 2)),
      stream: index % 2 === 0 ? "stdout" : "stderr",
      timestamp: new Date(begin + Math.floor((index * 1000) / linesPerSecond)).toISOString()
    })
  }\n\n`
const cutEvent = `data:${
  JSON.stringify({ message: "Stream error: cut", stream: "error", timestamp: new Date(begin).toISOString() })
}\n\n`

/** The bytes of the log, made once for all who read it: where each line begins is known. */
const log = { bytes: Buffer.alloc(1 << 20), offsets: [0] }
const written = (): Buffer => {
  const wanted = lineCount()
  for (let index = log.offsets.length - 1; index < wanted; index++) {
    const event = Buffer.from(eventOf(index))
    const end = log.offsets[index] ?? 0
    if (end + event.length > log.bytes.length) log.bytes = Buffer.concat([log.bytes], log.bytes.length * 2)
    event.copy(log.bytes, end)
    log.offsets.push(end + event.length)
  }
  return log.bytes.subarray(0, log.offsets[wanted] ?? 0)
}

const rentalReply = (id: string) => ({
  rental_id: id,
  status: "active",
  executor: {
    id: "soak",
    gpu_specs: [],
    cpu_specs: { cores: 1, model: "x", memory_gb: 1 },
    location: null
  },
  ssh_credentials: null,
  created_at: new Date(begin).toISOString(),
  updated_at: new Date(begin).toISOString()
})

/**
 * The logs: a connection replays all that there is, or the last lines that were asked for, and goes on. After a minute it
 * is cut: with the event of the service's own cut, or with a reset at any byte.
 */
const logServer = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
    const open = new Set<ServerResponse>()
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://x")
      if (!pathname.endsWith("/logs")) {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify(rentalReply(pathname.split("/").at(-1) ?? "")))
        return
      }
      response.writeHead(200, { "content-type": "text/event-stream", date: new Date().toUTCString() })
      const tail = searchParams.get("tail")
      let at = tail === null ? 0 : log.offsets[Math.max(0, lineCount() - Number(tail))] ?? written().length
      counts.connections++
      const send = () => {
        if (response.writableNeedDrain) return
        const all = written()
        if (at < all.length) response.write(Buffer.from(all.subarray(at)))
        at = all.length
      }
      send()
      const timer = setInterval(send, 1000 / linesPerSecond)
      const end = setTimeout(() => {
        counts.cuts++
        if (random() < 0.5) {
          response.end(cutEvent)
        } else {
          const next = eventOf(log.offsets.length - 1)
          response.write(next.slice(0, Math.floor(random() * next.length)), () => response.socket?.resetAndDestroy())
        }
      }, 60_000)
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

const tagOf = (cause: Cause.Cause<unknown>): unknown => (Cause.squash(cause) as { readonly _tag?: unknown })._tag

/** What keeps this process alive, by kind, and who listens to it. */
const level = (): Record<string, number> => {
  const all: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) all[kind] = (all[kind] ?? 0) + 1
  all["listeners"] = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  all["fibers"] = fibers
  return all
}
let fibers = 0

const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    counts.calls++
    if (Exit.isFailure(exit)) counts.failed++
    if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) counts.defects++
    if (Exit.isFailure(exit) && tagOf(exit.cause) === "AuthenticationError") counts.signedOut++
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
  // Behind a timer, as at the end, because the timer that runs counts too.
  const start = yield* Effect.delay(Effect.sync(level), "10 millis")
  const work = yield* Scope.make()
  const client = (baseUrl: string, options: Basilica.BasilicaOptions) =>
    Layer.buildWithScope(
      Layer.fresh(Layer.provide(
        Basilica.layerHttpClient({ baseUrl, timeout: "10 seconds", deployTimeout: "20 seconds", ...options }),
        NodeHttpClient.layer
      )),
      work
    )
  const [tenant] = memory.tenants
  const services = yield* client(front.url, {
    token: tenant?.tokens.accessToken,
    refreshToken: tenant?.tokens.refreshToken,
    signIn: { ...memory.signIn, domain: front.url }
  })
  const following = yield* client(logs.url, { token: memory.token })
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
      if (tagOf(exit.cause) === "DeployOutcomeUnknown") counts.unknown++
    }
  })))
  const follow = (index: number) =>
    Effect.suspend(() => {
      const next = new Map([["stdout", 0], ["stderr", 0]])
      return logsOf.logs(`rental-${index}`, { follow: true }).pipe(
        Stream.runForEachArray((batch) =>
          Effect.sync(() => {
            for (const { message, stream } of batch) {
              counts.lines++
              if (Number(message) !== next.get(stream)) counts.outOfOrder++
              next.set(stream, Number(message) + 1)
            }
          })
        ),
        Effect.exit,
        // It has no end: whatever ends it is an error.
        Effect.tap((exit) =>
          Effect.sync(() => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? 0 : counts.logErrors++)
        )
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
    (index) => Effect.forkIn(Effect.delay(follow(index), random() * 1000), work)
  )

  yield* Effect.sleep("1 second")
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
  const more = Effect.delay(
    Effect.sync(() => Object.entries(level()).filter(([kind, count]) => count > (start[kind] ?? 0))),
    "10 millis"
  )
  const grown = yield* Effect.repeat(more, { until: (all) => all.length === 0, times: 500 })
  const left = {
    running: (yield* memory.running).length,
    connections: yield* front.connections,
    more: Object.fromEntries(grown)
  }
  const creates = (yield* memory.creates).length
  const exchanges = faults.count("POST /oauth/token")
  const middle = samples[Math.ceil(samples.length / 2)] ?? samples[0]
  const last = samples.at(-1)
  const growth = (last?.heapMiB ?? 0) / Math.max(1, middle?.heapMiB ?? 1) - 1
  console.log(JSON.stringify({
    seed,
    minutes,
    left,
    creates,
    creating: faults.count("POST /rentals"),
    exchanges,
    heapGrowthOfSecondHalf: Number(growth.toFixed(3)),
    delayP50: Math.round(delay.percentile(50) / 1e5) / 10,
    delayP99: Math.round(delay.percentile(99) / 1e5) / 10,
    ...counts
  }))
  const problems = [
    left.running > counts.unknown ? `${left.running} machines left running` : [],
    left.connections > 0 ? `${left.connections} connections left` : [],
    grown.length > 0 ? `more than at the start: ${JSON.stringify(left.more)}` : [],
    faults.count("POST /rentals") > counts.deploys ? "a create was sent twice" : [],
    counts.signedOut > 0 ? `${counts.signedOut} calls without a token` : [],
    // Each token lives for a minute and is renewed a tenth of it early; a lost reply costs one more.
    exchanges > (minutes * 60) / 54 * 2 + 2 ? `${exchanges} exchanges of tokens` : [],
    counts.outOfOrder > 0 ? `${counts.outOfOrder} lines lost or doubled` : [],
    counts.logErrors > 0 ? `${counts.logErrors} logs ended` : [],
    counts.unhandled > 0 ? `${counts.unhandled} unhandled` : [],
    counts.defects > 0 ? `${counts.defects} defects` : [],
    minutes >= 4 && growth > 0.1 ? "the heap grows" : []
  ].flat()
  for (const problem of problems) console.log(`FAILED: ${problem}`)
  if (problems.length > 0) process.exitCode = 1
})

console.log(`seed ${seed}`)
await Effect.runPromise(
  Effect.scoped(program).pipe(
    Effect.provide([
      MemoryBasilica.layerServer({ accessTokenLife: "1 minute", refreshOverlap: "30 seconds" }),
      Logger.layer([])
    ]),
    Effect.provideService(Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void fibers++,
      recordFiberEnd: () => void fibers--
    })
  )
)
process.exit()
