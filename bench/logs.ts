/**
 * How fast a log is read: in big chunks, with one event in each, and with chunks that end inside characters; and how fast
 * a replay of what is known is skipped. Every reader adds up the lengths of the messages. `node bench/logs.ts`.
 */
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import * as Contest from "./Contest.ts"
import { characters, lines, logs } from "./Fixtures.ts"
import * as Peers from "./Peers.ts"
import * as Sdk from "./Sdk.ts"
import { list, report, type Row } from "./Table.ts"

const token = { authorization: "Bearer t" }
const path = (form: string) => `/rentals/${form}/logs?follow=true`

/** The message of a line, if it is one. */
const messageOf = (data: string): string => {
  const { message, stream, timestamp } = JSON.parse(data)
  if (typeof message !== "string" || typeof stream !== "string" || typeof timestamp !== "string") throw new Error(data)
  return message
}

const byHand: Contest.Contender = async (url) => async (form) => {
  const response = await fetch(url + path(form), { headers: token })
  const decoder = new TextDecoder()
  let rest = ""
  let sum = 0
  for await (const chunk of response.body ?? []) {
    const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n")
    rest = events.pop() ?? ""
    for (const event of events) sum += messageOf(event.slice(5)).length
  }
  return sum
}

/** Reads bytes and counts events: the least that skipping a replay can be. */
const counting: Contest.Contender = async (url) => async () => {
  const response = await fetch(url + path("whole"), { headers: token })
  let count = 0
  let afterLineFeed = false
  for await (const chunk of response.body ?? []) {
    if (afterLineFeed && chunk[0] === 10) count++
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) if (chunk[at + 1] === 10) count++
    afterLineFeed = chunk.at(-1) === 10
  }
  if (count !== lines) throw new Error(`counted ${count} lines`)
  return 0
}

const effectFace = async (url: string) => {
  const { Basilica, LogCursor, LogStream } = await Sdk.effectFace()
  const runtime = ManagedRuntime.make(Basilica.layer({ baseUrl: url, token: "t" }))
  return {
    LogCursor,
    run: <E>(effect: Effect.Effect<number, E, (typeof LogStream)["Identifier"]>) => runtime.runPromise(effect),
    follow: (form: string, from?: ReturnType<typeof LogCursor.start>) =>
      Stream.unwrap(LogStream.useSync((service) => service.follow(form, { from, maxReconnects: 0 })))
  }
}

const chunks: Contest.Contender = async (url) => {
  const { follow, run } = await effectFace(url)
  return (form) =>
    run(Effect.gen(function*() {
      let sum = 0
      yield* Stream.runForEachArray(follow(form), (batch) =>
        Effect.sync(() => {
          for (const { message } of batch) sum += message.length
        }))
      return sum
    }))
}

const lineByLine: Contest.Contender = async (url) => {
  const { follow, run } = await effectFace(url)
  return (form) =>
    run(Effect.gen(function*() {
      let sum = 0
      yield* Stream.runForEach(follow(form), ({ message }) =>
        Effect.sync(() => {
          sum += message.length
        }))
      return sum
    }))
}

const skipping: Contest.Contender = async (url) => {
  const { LogCursor, follow, run } = await effectFace(url)
  let end = LogCursor.start("whole")
  for (let index = 0; index < lines; index++) end = LogCursor.after(end, logs.whole.line(index))
  return () => run(Stream.runCount(follow("whole", end)))
}

const forAwait: Contest.Contender = async (url) => {
  const { BasilicaClient } = await Sdk.promiseFace()
  const basilica = new BasilicaClient({ baseUrl: url, token: "t" })
  return async (form) => {
    let sum = 0
    for await (const { message } of basilica.deployments.logs(form, { follow: true, maxReconnects: 0 })) {
      sum += message.length
    }
    return sum
  }
}

const eventsourceParser: Contest.Contender = async (url) => {
  const createParser = await Peers.eventsourceParser()
  return async (form) => {
    let sum = 0
    const parser = createParser({
      onEvent: ({ data }) => {
        sum += messageOf(data).length
      }
    })
    const response = await fetch(url + path(form), { headers: token })
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }))
    return sum
  }
}

const openai: Contest.Contender = async (url) => {
  const client = await Peers.openai(url)
  return async (form) => {
    let sum = 0
    for await (const { message } of await client.get<{ message: string }>(path(form), { stream: true })) {
      sum += message.length
    }
    return sum
  }
}

const peers: Contest.Contenders = { "eventsource-parser": eventsourceParser, openai }
const readers: Contest.Contenders = {
  "by hand": byHand,
  chunks,
  "line by line": lineByLine,
  "for await": forAwait,
  ...(Peers.wanted ? peers : {})
}
export const contenders: Contest.Contenders = { ...readers, ...peers, counting, skipping }

const forms = { whole: "64 KB writes", single: "one event a write", cut: "cuts inside characters" }
const marks = { chunks: 0.8, "line by line": 0.7, "for await": 0.7 }

const measure = async (): Promise<ReadonlyArray<Row>> => {
  const server = await Contest.serve()
  const contest = { program: import.meta.filename, url: server.url, rounds: Contest.isShort ? 4 : 21 }
  const reading = await Contest.run({
    ...contest,
    names: Object.keys(readers),
    tasks: new Map(Contest.keys(forms).map((form) => [form, characters(form)]))
  })
  const replay = await Contest.run({
    ...contest,
    // Each is over in a moment, and what a process compiled its code to shows in it.
    rounds: contest.rounds,
    heats: Contest.isShort ? 2 : 5,
    names: ["counting", "skipping"],
    tasks: new Map([["a replay", 0]])
  })
  server.process.kill()
  return [
    ...Contest.keys(forms).flatMap((form): ReadonlyArray<Row> => {
      const speed = (name: string) => 1 / Contest.ratio(reading, form, name, "by hand")
      const beside = list((Peers.wanted ? Object.keys(peers) : []).map((name) => [name, speed(name)]), "")
      return [
        ...Contest.keys(marks).map((name): Row => ({
          what: `Log, ${forms[form]}, ${name}: speed against by hand`,
          mark: { atLeast: marks[name] },
          figure: speed(name),
          unit: "",
          ...(name === "chunks" ? { beside } : {})
        })),
        ...(Peers.wanted
          ? [{
            what: `Log, ${forms[form]}, chunks: speed against openai`,
            mark: { atLeast: 5 },
            figure: 1 / Contest.ratio(reading, form, "chunks", "openai"),
            unit: "×"
          }]
          : [])
      ]
    }),
    {
      what: "Log, a replay skipped: time against counting the events by hand",
      mark: { atMost: 1 },
      figure: Contest.ratio(replay, "a replay", "skipping", "counting"),
      unit: "×"
    }
  ]
}

if (!Contest.isContender) report(await measure())
