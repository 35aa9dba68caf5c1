/**
 * The local Basilica as a server of logs: how many lines a second one follower gets, of a log that is on disk and of one
 * that is being written; and what a thousand followers do to its memory. `node bench/local.ts`.
 */
import { request } from "node:http"
import type { IncomingMessage } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import * as Contest from "./Contest.ts"
import { digits, report, type Row } from "./Table.ts"

const mebi = 1024 * 1024
const lines = Contest.isShort ? 200_000 : 1_000_000

interface Server {
  readonly url: string
  readonly token: string
}

const send = (server: Server, method: string, path: string, body?: object): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" }
    request(server.url + path, { method, headers, agent: false }, resolve).once("error", reject).end(
      JSON.stringify(body)
    )
  })

/** Rents a machine for a command of the shell, and says the id. */
const rent = async (server: Server, script: string): Promise<string> => {
  const reply = await send(server, "POST", "/rentals", {
    executor_selection: { type: "gpu_requirements", gpu_requirements: { min_memory_gb: 0, gpu_count: 0 } },
    container_image: "alpine",
    ssh_public_key: "ssh-ed25519 AAAA me@host",
    no_ssh: true,
    command: ["sh", "-c", script]
  })
  let text = ""
  for await (const chunk of reply.setEncoding("utf8")) text += chunk
  return JSON.parse(text).rental_id
}

const follow = (server: Server, id: string) => send(server, "GET", `/rentals/${id}/logs?follow=true`)

/** Counts the lines of a log to its end, and says how many came in a second, from the first on. */
const speed = async (server: Server, id: string): Promise<number> => {
  let begin: number | undefined
  let lineFeeds = 0
  for await (const chunk of await follow(server, id) as AsyncIterable<Buffer>) {
    begin ??= performance.now()
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lineFeeds++
  }
  if (lineFeeds !== 2 * lines) throw new Error(`${lineFeeds / 2} lines came, not ${lines}`)
  return lines / (performance.now() - (begin ?? 0)) * 1000
}

const write = `yes "step 12345 loss 0.123456 throughput 1234" | head -n ${lines}`

/** What the server has used. */
interface Used {
  readonly memory: number
  readonly cpuMicros: number
}

/** What many followers of one log do to the server, some of whom do not read. */
const followers = async (server: Server, used: () => Promise<Used>, count: number, seconds: number) => {
  const id = await rent(server, `yes "one of the old lines" | head -n 2000; while sleep 0.05; do echo one more; done`)
  let lineFeeds = 0
  const all = await Promise.all(Array.from({ length: count }, () => follow(server, id)))
  for (const reader of all.slice(count / 10)) {
    reader.on("data", (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lineFeeds++
    })
  }
  // Time for all to get the old lines.
  await sleep(seconds * 300)
  const before = await used()
  const lineFeedsBefore = lineFeeds
  await sleep(seconds * 1000)
  const after = await used()
  for (const one of all) one.destroy()
  await send(server, "DELETE", `/rentals/${id}`)
  const lines = (lineFeeds - lineFeedsBefore) / 2
  if (lines < count) throw new Error(`${lines} lines came to ${count} followers`)
  return { growth: (after.memory - before.memory) / mebi, cpuMicros: (after.cpuMicros - before.cpuMicros) / lines }
}

const measure = async (): Promise<ReadonlyArray<Row>> => {
  const child = Contest.start("localServer.ts")
  const server = await Contest.message<Server>(child)
  const onDisk: Array<number> = []
  const live: Array<number> = []
  for (let round = 0; round < (Contest.isShort ? 2 : 3); round++) {
    const id = await rent(server, `sleep 0.5; ${write}`)
    live.push(await speed(server, id))
    onDisk.push(await speed(server, id))
    await send(server, "DELETE", `/rentals/${id}`)
  }
  const [count, seconds] = Contest.isShort ? [200, 2] : [1000, 10]
  const { cpuMicros, growth } = await followers(server, () => Contest.ask<Used>(child, "used"), count, seconds)
  child.disconnect()
  const mark = { atLeast: 300_000 }
  return [
    { what: "Local Basilica, a log on disk: lines a second", mark, figure: Contest.median(onDisk), unit: "" },
    { what: "Local Basilica, a log being written: lines a second", mark, figure: Contest.median(live), unit: "" },
    {
      what: `Local Basilica, ${digits(count)} followers of one log, a tenth of whom does not read: memory grows`,
      mark: { atMost: 8 },
      figure: growth,
      unit: " MiB",
      beside: `processor a line and follower ${digits(cpuMicros)} µs`
    }
  ]
}

report(await measure())
