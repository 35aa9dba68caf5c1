/**
 * Many logs followed at once in one process, each of which gets a line a second: what a stream takes of memory and a line
 * of the processor, how long it takes to close them all, and what is left then. `node bench/many.ts`.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { queryObjects } from "node:v8"
import * as Contest from "./Contest.ts"
import { memory } from "./Memory.ts"
import * as Peers from "./Peers.ts"
import * as Sdk from "./Sdk.ts"
import { list, report, type Row } from "./Table.ts"

const path = "/rentals/live/logs?follow=true"

/** Follows so many logs, and returns what closes them. */
type Follower = (url: string, count: number, onLine: () => void) => Promise<() => Promise<unknown>>

const effectFace: Follower = async (url, count, onLine) => {
  const { Basilica, LogStream } = await Sdk.effectFace()
  const runtime = ManagedRuntime.make(Basilica.layer({ baseUrl: url, token: "t" }))
  const follow = Stream.unwrap(LogStream.useSync((logs) => logs.follow("live")))
  const one = Stream.runForEach(follow, () => Effect.sync(onLine))
  const all = runtime.runFork(Effect.all(Array.from({ length: count }, () => one), { concurrency: "unbounded" }))
  return async () => {
    await Effect.runPromise(Fiber.interrupt(all))
    await runtime.dispose()
  }
}

const promiseFace: Follower = async (url, count, onLine) => {
  const { BasilicaClient } = await Sdk.promiseFace()
  const basilica = new BasilicaClient({ baseUrl: url, token: "t" })
  const follow = async () => {
    for await (const { message } of basilica.deployments.logs("live", { follow: true })) if (message !== "") onLine()
  }
  const ended = Promise.allSettled(Array.from({ length: count }, follow))
  return async () => {
    await basilica.close()
    await ended
  }
}

const undici: Follower = async (url, count, onLine) => {
  const { Agent, request } = await import("undici")
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  const follow = async () => {
    const { body } = await request(url + path, { dispatcher: agent, headers: { authorization: "Bearer t" } })
    const decoder = new TextDecoder()
    let rest = ""
    for await (const chunk of body) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n")
      rest = events.pop() ?? ""
      for (const event of events) {
        const { message, stream, timestamp } = JSON.parse(event.slice(5))
        if (typeof message !== "string" || typeof stream !== "string" || typeof timestamp !== "string") {
          throw new Error()
        }
        onLine()
      }
    }
  }
  const ended = Promise.allSettled(Array.from({ length: count }, follow))
  return async () => {
    await agent.destroy()
    await ended
  }
}

const openai: Follower = async (url, count, onLine) => {
  const client = await Peers.openai(url)
  const streams: Array<{ readonly controller: AbortController }> = []
  const follow = async () => {
    const stream = await client.get<{ message: string }>(path, { stream: true })
    streams.push(stream)
    for await (const { message } of stream) if (message !== "") onLine()
  }
  const ended = Promise.allSettled(Array.from({ length: count }, follow))
  return async () => {
    for (const { controller } of streams) controller.abort()
    await ended
  }
}

const followers: Readonly<Record<string, Follower>> = {
  undici,
  "Effect face": effectFace,
  "Promise face": promiseFace,
  ...(Peers.wanted ? { openai } : {})
}

/** What one contender needs. */
interface Need {
  readonly memoryKiB: number
  readonly cpuMicros: number
  readonly closeMillis: number
  /** Sockets, timers and fibers that are there after the end and were not before the beginning. */
  readonly left: number
}

/** Measures one contender; the process is for this alone. */
const follow = async (name: string, url: string, count: number, seconds: number): Promise<Need> => {
  const fiberClass = Effect.runFork(Effect.void).constructor as new() => unknown
  const things = () =>
    queryObjects(fiberClass, { format: "count" }) + queryObjects(Socket, { format: "count" }) +
    process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length
  const follower = followers[name]
  if (follower === undefined) throw new Error(name)

  /** Follows so many logs, looks, and closes them. Holds on to nothing of it. */
  const round = async <A>(many: number, look: (lines: () => number) => Promise<A>) => {
    let lines = 0
    const close = await follower(url, many, () => lines++)
    while (lines < 2 * many) await sleep(50)
    const seen = await look(() => lines)
    const begin = performance.now()
    await close()
    return { seen, closeMillis: performance.now() - begin }
  }

  // As many streams first: what is loaded, made and compiled once is not the others'.
  await round(count, memory)
  await sleep(500)
  const thingsBefore = things()
  const memoryBefore = await memory()
  const { closeMillis, seen } = await round(count, async (lines) => {
    const linesBefore = lines()
    const cpuBefore = process.cpuUsage()
    await sleep(seconds * 1000)
    const { system, user } = process.cpuUsage(cpuBefore)
    const cpuMicros = (system + user) / (lines() - linesBefore)
    return { cpuMicros, memoryKiB: (await memory() - memoryBefore) / count / 1024 }
  })
  await sleep(500)
  return { ...seen, closeMillis, left: things() - thingsBefore }
}

const measure = async (): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  const sizes = Contest.isShort ? [{ count: 300, rounds: 1 }] : [{ count: 1000, rounds: 3 }, { count: 5000, rounds: 1 }]
  for (const { count, rounds } of sizes) {
    const needs = new Map<string, ReadonlyArray<Need>>()
    const measureOne = async (name: string) => {
      const server = await Contest.serve()
      const seconds = Contest.isShort ? "2" : "4"
      const need = await Contest.outcome<Need>("many.ts", ["follow", name, server.url, `${count}`, seconds])
      server.process.kill()
      needs.set(name, [...needs.get(name) ?? [], need])
    }
    for (let round = 0; round < rounds; round++) {
      // The peer has no mark, and takes its time.
      const names = Object.keys(followers).filter((name) => name !== "openai" || round === 0)
      if (Contest.isShort) await Promise.all(names.map(measureOne))
      else for (const name of names) await measureOne(name)
    }
    const own = (name: string, of: keyof Need) => Contest.median((needs.get(name) ?? []).map((need) => need[of]))
    for (const face of ["Effect face", "Promise face"]) {
      const others = [...needs.keys()].filter((name) => name === face || !name.endsWith("face"))
      const all = (of: keyof Need, unit: string) => list(others.map((name) => [name, own(name, of)]), unit)
      const against = (of: keyof Need) =>
        Contest.median(
          (needs.get(face) ?? []).map((need, round) => need[of] / (needs.get("undici")?.[round]?.[of] ?? Number.NaN))
        )
      const what = `${count} logs at once, ${face}`
      // Of few streams the memory of each cannot be told, and a busy machine closes them late.
      if (!Contest.isShort) {
        rows.push(
          {
            what: `${what}: memory a stream against undici by hand`,
            mark: { atMost: 2 },
            figure: against("memoryKiB"),
            unit: "×",
            beside: all("memoryKiB", " KiB")
          },
          {
            what: `${what}: closing all`,
            mark: { atMost: 1000 },
            figure: own(face, "closeMillis"),
            unit: " ms",
            beside: all("closeMillis", " ms")
          }
        )
      }
      rows.push(
        {
          what: `${what}: processor a line against undici by hand`,
          mark: { atMost: 2 },
          figure: against("cpuMicros"),
          unit: "×",
          beside: all("cpuMicros", " µs")
        },
        {
          what: `${what}: sockets, timers and fibers left`,
          mark: { atMost: 0 },
          figure: Math.max(...(needs.get(face) ?? []).map(({ left }) => left)),
          unit: "",
          beside: all("left", "")
        }
      )
    }
  }
  return rows
}

const [mode, name = "", url = "", count, seconds] = process.argv.slice(2)
if (mode === "follow") process.send?.(await follow(name, url, Number(count), Number(seconds)))
else report(await measure())
