/**
 * The local Basilica as a server of logs: how many lines a second one follower gets, of a log that is on disk and of one
 * that is being written; and what a thousand followers do to its memory. `node bench/local.ts`.
 */
import { request } from "node:http"
import type { IncomingMessage } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import * as Contest from "./Contest.ts"
import { report, type Row } from "./Table.ts"

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

/** What a thousand followers of one log do to the server, some of whom do not read. */
const followers = async (server: Server, memory: () => Promise<number>) => {
  const [readers, sleepers] = Contest.isShort ? [180, 20] : [900, 100]
  const id = await rent(server, `yes "one of the old lines" | head -n 2000; while sleep 0.05; do echo one more; done`)
  let bytes = 0
  const all = await Promise.all(Array.from({ length: readers + sleepers }, () => follow(server, id)))
  for (const reader of all.slice(0, readers)) {
    reader.on("data", (chunk: Buffer) => {
      bytes += chunk.length
    })
  }
  // Time for all to get the old lines.
  await sleep(Contest.isShort ? 1500 : 3000)
  const before = await memory()
  const bytesBefore = bytes
  await sleep(Contest.isShort ? 1500 : 10_000)
  const growth = await memory() - before
  if (bytes === bytesBefore) throw new Error("nothing came")
  for (const one of all) one.destroy()
  await send(server, "DELETE", `/rentals/${id}`)
  return growth / mebi
}

const measure = async (): Promise<ReadonlyArray<Row>> => {
  const child = Contest.start("localServer.ts")
  const server = await Contest.message<Server>(child)
  const onDisk: Array<number> = []
  const live: Array<number> = []
  for (let round = 0; round < (Contest.isShort ? 1 : 3); round++) {
    const id = await rent(server, `sleep 0.5; ${write}`)
    live.push(await speed(server, id))
    onDisk.push(await speed(server, id))
    await send(server, "DELETE", `/rentals/${id}`)
  }
  const growth = await followers(server, () => Contest.ask<number>(child, "memory"))
  child.disconnect()
  const mark = { atLeast: 300_000 }
  return [
    { what: "Local Basilica, a log on disk: lines a second", mark, figure: Contest.median(onDisk), unit: "" },
    { what: "Local Basilica, a log being written: lines a second", mark, figure: Contest.median(live), unit: "" },
    {
      what: `Local Basilica, ${Contest.isShort ? 200 : "1,000"} followers of one log: memory grows`,
      mark: { atMost: 8 },
      figure: growth,
      unit: " MiB"
    }
  ]
}

report(await measure())
