/**
 * What a call costs: the state of a deployment, a small reply, one after the other and 64 at once; and a list of 100
 * executors, 60 KB. `node bench/calls.ts`.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schema from "effect/Schema"
import * as Contest from "./Contest.ts"
import * as Peers from "./Peers.ts"
import * as Sdk from "./Sdk.ts"
import { list, report, type Row } from "./Table.ts"

const small = 640
/** Enough that connections which were closed meanwhile, and are made again, do not count. */
const manySmall = 64 * 40
const lists = 200
const tasks = new Map([["sequential", small], ["64 at once", manySmall], ["executors", lists * 100]])

/** The part of the replies that is looked at. */
interface Rental {
  readonly status: string
}
interface Executors {
  readonly available_executors: ReadonlyArray<{ readonly executor: { readonly id: string } }>
}

const rentalPath = "/rentals/running"
const executorsPath = "/executors"
const headers = { authorization: "Bearer t" }

/** Does the tasks with a client that gets the JSON of a path. */
const promises = (get: <A>(path: string) => Promise<A>) =>
  calls(
    async () => (await get<Rental>(rentalPath)).status === "active" ? 1 : 0,
    async () => (await get<Executors>(executorsPath)).available_executors.length
  )

/** Does the tasks with a call for the state and one for the list, which count what came. */
const calls = (status: () => Promise<number>, list: () => Promise<number>) => async (task: string) => {
  let count = 0
  const repeat = async (times: number, call: () => Promise<number>) => {
    for (let index = 0; index < times; index++) {
      const came = await call()
      count += came
    }
  }
  if (task === "sequential") await repeat(small, status)
  else if (task === "executors") await repeat(lists, list)
  else await Promise.all(Array.from({ length: 64 }, () => repeat(manySmall / 64, status)))
  return count
}

/** The same in Effect. */
const effects = <E, R>(status: Effect.Effect<number, E, R>, list: Effect.Effect<number, E, R>) => (task: string) => {
  const repeat = (times: number, call: Effect.Effect<number, E, R>, concurrency: 1 | "unbounded" = 1) =>
    Effect.map(
      Effect.forEach(Array.from({ length: times }), () => call, { concurrency }),
      (counts) => counts.reduce((sum, count) => sum + count, 0)
    )
  if (task === "sequential") return repeat(small, status)
  if (task === "executors") return repeat(lists, list)
  return repeat(64, repeat(manySmall / 64, status), "unbounded")
}

const effectFace: Contest.Contender = async (url) => {
  const { Basilica, Deployments, Executors } = await Sdk.effectFace()
  const runtime = ManagedRuntime.make(Basilica.layer({ baseUrl: url, token: "t" }))
  const { deployments, executors } = await runtime.runPromise(Effect.all({
    deployments: Deployments,
    executors: Executors
  }))
  const work = effects(
    Effect.map(Effect.suspend(() => deployments.status("running")), ({ _tag }) => _tag === "Running" ? 1 : 0),
    Effect.map(Effect.suspend(() => executors.listAvailable()), ({ items }) => items.length)
  )
  return (task) => runtime.runPromise(work(task))
}

const promiseFace: Contest.Contender = async (url) => {
  const { BasilicaClient } = await Sdk.promiseFace()
  const { deployments, executors } = new BasilicaClient({ baseUrl: url, token: "t" })
  return calls(
    async () => (await deployments.status("running"))._tag === "Running" ? 1 : 0,
    async () => (await executors.listAvailable()).items.length
  )
}

/** What an Effect program would do by itself, over the transport that the SDK uses. */
const effectHttp: Contest.Contender = async (url) => {
  const NodeHttpClient = await import("@effect/platform-node/NodeHttpClient")
  const runtime = ManagedRuntime.make(NodeHttpClient.layerUndici)
  const client = await runtime.runPromise(HttpClient.HttpClient)
  const get = <S extends Schema.ConstraintDecoder<unknown, never>>(path: string, schema: S) => {
    const decode = HttpClientResponse.schemaBodyJson(schema)
    return Effect.flatMap(client.execute(HttpClientRequest.get(url + path, { headers })), decode)
  }
  const work = effects(
    Effect.map(get(rentalPath, Schema.Struct({ status: Schema.String })), () => 1),
    Effect.map(
      get(executorsPath, Schema.Struct({ available_executors: Schema.Array(executorSchema) })),
      ({ available_executors }) => available_executors.length
    )
  )
  return (task) => runtime.runPromise(work(task))
}

const executorSchema = Schema.Struct({
  executor: Schema.Struct({
    id: Schema.String,
    gpu_specs: Schema.Array(
      Schema.Struct({ name: Schema.String, memory_gb: Schema.Finite, compute_capability: Schema.String })
    ),
    cpu_specs: Schema.Struct({ cores: Schema.Finite, model: Schema.String, memory_gb: Schema.Finite }),
    location: Schema.String
  })
})

const callers: Contest.Contenders = {
  "Effect face": effectFace,
  "Promise face": promiseFace,
  "fetch": async (url) => promises(async (path) => (await fetch(url + path, { headers })).json()),
  "undici": async (url) => {
    // Loaded where it is used alone: it takes the place of what carries the global fetch.
    const { request } = await import("undici")
    return promises(async (path) => JSON.parse(await (await request(url + path, { headers })).body.text()))
  },
  "effect/http": effectHttp
}
const peers: Contest.Contenders = {
  ky: async (url) => {
    const ky = await Peers.ky()
    return promises((path) => ky(url + path, { headers }).json())
  },
  axios: async (url) => {
    const axios = await Peers.axios()
    return promises(async <A>(path: string) => (await axios.get(url + path, { headers })).data as A)
  },
  openai: async (url) => {
    const client = await Peers.openai(url)
    return promises((path) => client.get(path))
  },
  "@basilica/sdk": async (url) => {
    const client = await Peers.basilica(url)
    return promises((path) => client.request("GET", path))
  }
}
export const contenders: Contest.Contenders = { ...callers, ...peers }

const marks = {
  sequential: { "Effect face": 1, "Promise face": 1.15 },
  "64 at once": { "Effect face": 1, "Promise face": 1.15 },
  executors: { "Effect face": 1.3, "Promise face": 1.3 }
}

const measure = async (): Promise<ReadonlyArray<Row>> => {
  const server = await Contest.serve()
  const names = Object.keys(Peers.wanted ? contenders : callers)
  const times = await Contest.run({
    program: import.meta.filename,
    url: server.url,
    names,
    tasks,
    heats: 3,
    rounds: Contest.isShort ? 3 : 7
  })
  server.process.kill()
  return Contest.keys(marks).flatMap((task) => {
    const others = names.filter((name) => name !== "fetch" && !name.endsWith("face"))
    const beside = list(others.map((name) => [name, Contest.ratio(times, task, name, "fetch")]), "×")
    const what = task === "executors" ? "a list of 100 executors" : `status, ${task}`
    return Contest.keys(marks[task]).map((face): Row => ({
      what: `Calls, ${what}, ${face}: time against fetch`,
      mark: { atMost: marks[task][face] },
      figure: Contest.ratio(times, task, face, "fetch"),
      unit: "×",
      ...(face === "Effect face" ? { beside } : {})
    }))
  })
}

if (!Contest.isContender) report(await measure())
