/**
 * A reader of 100 lines a second, and a service that writes as fast as it may: how far the service gets ahead, and by how
 * much the memory of the reader grows. Contenders read side by side, each in a process of its own. For a minute, or as
 * many seconds as are said: `node bench/reader.ts 20`.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { setTimeout as sleep } from "node:timers/promises"
import * as Contest from "./Contest.ts"
import { bytesOf } from "./Fixtures.ts"
import { memory } from "./Memory.ts"
import * as Peers from "./Peers.ts"
import * as Sdk from "./Sdk.ts"
import { list, report, type Row } from "./Table.ts"

/** Reads a log, and waits at each line until it has been taken. */
type Reader = (url: string, id: string, take: () => Promise<void>) => Promise<unknown>

const path = (id: string) => `/rentals/${id}/logs?follow=true`

const readers: Readonly<Record<string, Reader>> = {
  "Effect face": async (url, id, take) => {
    const { Basilica, Deployments } = await Sdk.effectFace()
    const log = Stream.unwrap(Deployments.useSync((deployments) => deployments.logs(id, { follow: true })))
    return Stream.runForEach(log, () => Effect.promise(take)).pipe(
      Effect.provide(Basilica.layer({ baseUrl: url, token: "t" })),
      Effect.runPromise
    )
  },
  "Promise face": async (url, id, take) => {
    const { BasilicaClient } = await Sdk.promiseFace()
    const { deployments } = new BasilicaClient({ baseUrl: url, token: "t" })
    for await (const { message } of deployments.logs(id, { follow: true })) if (message !== "") await take()
  },
  "fetch by hand": async (url, id, take) => {
    const response = await fetch(url + path(id), { headers: { authorization: "Bearer t" } })
    const decoder = new TextDecoder()
    let rest = ""
    for await (const chunk of response.body ?? []) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n")
      rest = events.pop() ?? ""
      for (const event of events) if (JSON.parse(event.slice(5)).message !== "") await take()
    }
  },
  ...(Peers.wanted
    ? {
      openai: async (url: string, id: string, take: () => Promise<void>) => {
        const client = await Peers.openai(url)
        for await (const { message } of await client.get<{ message: string }>(path(id), { stream: true })) {
          if (message !== "") await take()
        }
      }
    }
    : {})
}

/** How far a reader is. */
interface Place {
  readonly lines: number
  readonly memory: number
}

/** Reads without an end, and says how far it is whenever it is asked. */
const read = (name: string, url: string, id: string) => {
  const begin = performance.now()
  let lines = 0
  process.on("message", async () => process.send?.({ lines, memory: await memory() }))
  process.send?.("ready")
  return readers[name]?.(url, id, async () => {
    lines++
    await sleep(Math.max(0, begin + lines * 10 - performance.now()))
  })
}

const mebi = 1024 * 1024

const measure = async (seconds: number): Promise<ReadonlyArray<Row>> => {
  const server = await Contest.serve()
  const contenders = await Promise.all(
    Object.keys(readers).map(async (name, index) => {
      const id = `endless-${index}`
      const process = Contest.start("reader.ts", ["read", name, server.url, id])
      await Contest.message(process)
      return { name, id, process, ahead: 0, memory: [] as Array<number> }
    })
  )
  // Time to begin, and to become quick.
  await sleep(5000)
  for (let step = 0; step <= 4; step++) {
    for (const contender of contenders) {
      const place = await Contest.ask<Place>(contender.process, "where")
      const sent = await Contest.ask<number>(server.process, `/rentals/${contender.id}/logs`)
      contender.memory.push(place.memory / mebi)
      contender.ahead = Math.max(contender.ahead, (sent - bytesOf(place.lines)) / mebi)
    }
    if (step < 4) await sleep(seconds * 250)
  }
  for (const { process } of contenders) process.kill()
  server.process.kill()
  const growth = ({ memory }: { readonly memory: ReadonlyArray<number> }) => (memory.at(-1) ?? 0) - (memory[0] ?? 0)
  const others = contenders.filter(({ name }) => !name.endsWith("face"))
  const ahead = list(others.map((contender) => [contender.name, contender.ahead]), " MiB")
  const growths = list(others.map((contender) => [contender.name, growth(contender)]), " MiB")
  return contenders.filter(({ name }) => name.endsWith("face")).flatMap((contender): ReadonlyArray<Row> => [
    {
      what: `Reader of 100 lines a second, ${contender.name}: sent ahead`,
      mark: { atMost: 6 },
      figure: contender.ahead,
      unit: " MiB",
      beside: ahead
    },
    {
      what: `Reader of 100 lines a second, ${contender.name}: memory grows in ${seconds} s`,
      mark: { atMost: 8 },
      figure: growth(contender),
      unit: " MiB",
      beside: growths
    }
  ])
}

const [mode, name = "", url = "", id = ""] = process.argv.slice(2)
if (mode === "read") await read(name, url, id)
else report(await measure(Number(mode ?? 60)))
