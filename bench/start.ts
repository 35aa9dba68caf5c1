/**
 * How long it takes from nothing to the end of the first call: what a program imports and the call for the state of a
 * deployment, each time in a new process. `node bench/start.ts`.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { flushCompileCache } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Contest from "./Contest.ts"
import * as Peers from "./Peers.ts"
import * as Sdk from "./Sdk.ts"
import { list, report, type Row } from "./Table.ts"

/** Imports what it needs, and returns the first call: the state of the deployment. */
type Program = (url: string) => Promise<() => Promise<string>>

interface Rental {
  readonly status: string
}

const path = "/rentals/running"
const headers = { authorization: "Bearer t" }

const effectHttp = (transport: "fetch" | "undici"): Program => async (url) => {
  const [Effect, Schema, HttpClient, HttpClientRequest, HttpClientResponse, layer] = await Promise.all([
    import("effect/Effect"),
    import("effect/Schema"),
    import("effect/http/HttpClient"),
    import("effect/http/HttpClientRequest"),
    import("effect/http/HttpClientResponse"),
    transport === "fetch"
      ? import("effect/http/FetchHttpClient").then((module) => module.layer)
      : import("@effect/platform-node/NodeHttpClient").then((module) => module.layerUndici)
  ])
  return () =>
    HttpClient.execute(HttpClientRequest.get(url + path, { headers })).pipe(
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Struct({ status: Schema.String }))),
      Effect.map(({ status }) => status),
      Effect.provide(layer),
      Effect.runPromise
    )
}

const programs: Readonly<Record<string, Program>> = {
  "Effect face": async (url) => {
    const [Effect, { Basilica, Deployments }] = await Promise.all([import("effect/Effect"), Sdk.effectFace()])
    return () =>
      Deployments.use((deployments) => deployments.status("running")).pipe(
        Effect.map(({ raw }) => raw),
        Effect.provide(Basilica.layer({ baseUrl: url, token: "t" })),
        Effect.runPromise
      )
  },
  "Promise face": async (url) => {
    const { BasilicaClient } = await Sdk.promiseFace()
    const { deployments } = new BasilicaClient({ baseUrl: url, token: "t" })
    return async () => (await deployments.status("running")).raw
  },
  "effect/http over undici": effectHttp("undici"),
  "effect/http over fetch": effectHttp("fetch"),
  fetch: async (url) => async () => ((await (await fetch(url + path, { headers })).json()) as Rental).status,
  ...(Peers.wanted
    ? {
      openai: async (url: string) => {
        const client = await Peers.openai(url)
        return async () => (await client.get<Rental>(path)).status
      },
      axios: async (url: string) => {
        const axios = await Peers.axios()
        return async () => ((await axios.get(url + path, { headers })).data as Rental).status
      },
      "@basilica/sdk": async (url: string) => {
        const client = await Peers.basilica(url)
        return async () => (await client.rentals.get<Rental>("running")).status
      }
    }
    : {})
}

/** In milliseconds, from before the import. */
interface Start {
  readonly imported: number
  readonly called: number
  /** What the processor did of it. */
  readonly worked: number
}

const start = async (name: string, url: string): Promise<Start> => {
  const begin = performance.now()
  const cpuBegin = process.cpuUsage()
  const call = await programs[name]?.(url)
  const imported = performance.now() - begin
  const status = await call?.()
  const called = performance.now() - begin
  const { system, user } = process.cpuUsage(cpuBegin)
  if (status !== "active") throw new Error(`${name} brought ${status}`)
  // The process is ended before it could do so at its end.
  flushCompileCache()
  return { imported, called, worked: (system + user) / 1000 }
}

const measure = async (): Promise<ReadonlyArray<Row>> => {
  const names = Contest.isShort ? ["Effect face", "effect/http over undici"] : Object.keys(programs)
  const server = await Contest.serve()
  const cache = mkdtempSync(join(tmpdir(), "basilica-bench-"))
  const rows: Array<Row> = []
  for (const [how, env] of [["", {}], [", with Node's compile cache", { NODE_COMPILE_CACHE: cache }]] as const) {
    const starts = new Map<string, Array<Start>>()
    for (let round = 0; round < (Contest.isShort ? 6 : 11); round++) {
      for (const name of names) {
        const found = await Contest.outcome<Start>("start.ts", ["start", name, server.url], {
          env: { ...process.env, ...env }
        })
        // The first fills the caches, that of the disk among them.
        if (round > 0) starts.set(name, [...starts.get(name) ?? [], found])
      }
    }
    // A busy machine does not stretch the time of the processor.
    const time = Contest.isShort ? "worked" : "called"
    const against = (name: string, other: string) =>
      Contest.median(
        (starts.get(name) ?? []).map((own, round) => own[time] / (starts.get(other)?.[round]?.[time] ?? Number.NaN))
      )
    const all = (of: keyof Start) =>
      list([...starts].map(([name, found]) => [name, Contest.median(found.map((one) => one[of]))]), " ms")
    const beside = `import: ${all("imported")}; call done: ${all("called")}`
    rows.push({
      what: `Start${how}, Effect face: import and first call against effect/http over undici`,
      mark: { atMost: 1.5 },
      figure: against("Effect face", "effect/http over undici"),
      unit: "×",
      beside
    })
    if (Peers.wanted) {
      rows.push({
        what: `Start${how}, Promise face: import and first call against openai`,
        mark: { atMost: 1 },
        figure: against("Promise face", "openai"),
        unit: "×"
      })
    }
    if (Contest.isShort) break
  }
  rmSync(cache, { recursive: true })
  server.process.kill()
  return rows
}

const [mode, name = "", url = ""] = process.argv.slice(2)
if (mode === "start") process.send?.(await start(name, url))
else report(await measure())
