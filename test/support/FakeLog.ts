import type { OpenReply } from "basilica-sdk"
import { NetworkError } from "basilica-sdk"
import { Stream } from "effect"
import type { Chance } from "./Scale.ts"

/** A line of a log that the test knows. */
export interface FakeLine {
  readonly stream: string
  readonly message: string
  /** Nanoseconds since 1970. */
  readonly time: bigint
  /** Whether the service cannot read its time, and gives it the time of each reading. */
  readonly stamped: boolean
}

const second = 1_000_000_000n

/** A time as the service writes it: with 0, 3, 6 or 9 digits of a second, as many as it needs. */
export const wireTime = (nanoseconds: bigint): string => {
  const text = new Date(Number(nanoseconds / second) * 1000).toISOString().slice(0, 19)
  const digits = String(nanoseconds % second).padStart(9, "0").replace(/(000){1,3}$/, "")
  return `${text}${digits === "" ? "" : `.${digits}`}Z`
}

const begin = 1_758_369_600n * second

/** Lines of two streams; 1 of 3 has the time and the text of the one before it in its stream, 1 of 50 has no time. */
export const fakeLines = (random: Chance, count: number): Array<FakeLine> => {
  const last = new Map<string, FakeLine>()
  let time = begin
  return Array.from({ length: count }, (_, index) => {
    const stream = random() < 0.7 ? "stdout" : "stderr"
    const before = last.get(stream)
    if (before !== undefined && !before.stamped && random.below(3) === 0) {
      // The order of times holds in each stream alone.
      return before
    }
    const unit = [1n, 1_000n, 1_000_000n, second][random.below(4)] ?? 1n
    time = (time / unit + 1n + BigInt(random.below(3))) * unit
    const message = random.below(4) === 0 ? "again" : `line ${index} ${"grüße 😀".repeat(random.below(3))}`
    const line = { stream, message, time, stamped: random.below(50) === 0 }
    last.set(stream, line)
    return line
  })
}

/** The log of one deployment, as its service gives it out. */
export class FakeLog {
  /** What is there, oldest first. */
  lines: ReadonlyArray<FakeLine>
  readonly #random: Chance
  #connections = 0

  constructor(random: Chance, lines: ReadonlyArray<FakeLine>) {
    this.#random = random
    this.lines = lines
  }

  /** The time after all lines, and later on each connection. */
  get now(): bigint {
    const latest = this.lines.reduce((time, line) => line.time > time ? line.time : time, begin)
    return latest + BigInt(5 + this.#connections) * second
  }

  /** The bytes of one connection: each stream in its order, the two in an order of this connection. */
  bytes(lines: ReadonlyArray<FakeLine> = this.lines): Buffer {
    const queues = ["stdout", "stderr"].map((stream) => lines.filter((line) => line.stream === stream))
    this.#connections++
    const now = wireTime(this.now)
    const events: Array<string> = []
    let [next, other] = queues as [Array<FakeLine>, Array<FakeLine>]
    const taken = [0, 0]
    let which = 0
    while ((taken[0] ?? 0) < next.length || (taken[1] ?? 0) < other.length) {
      if (this.#random.below(4) === 0) which = 1 - which
      const queue = which === 0 ? next : other
      const at = taken[which] ?? 0
      const line = queue[at]
      if (line === undefined) {
        which = 1 - which
        continue
      }
      taken[which] = at + 1
      const timestamp = line.stamped ? now : wireTime(line.time)
      events.push(`data:${JSON.stringify({ message: line.message, stream: line.stream, timestamp })}\n\n`)
    }
    return Buffer.from(events.join(""))
  }

  /** What ssh says at that time on the way to the container: on one connection, and no other brings it again. */
  said(message: string, stream: string, time: bigint): Buffer {
    return Buffer.from(`data:${JSON.stringify({ message, stream, timestamp: wireTime(time) })}\n\n`)
  }

  /** Bytes in chunks of any size, and an end. `begun`: when the connection began. */
  reply(bytes: Uint8Array, end: "end" | "reset" = "end", begun: bigint = this.now): OpenReply {
    const chunks: Array<Uint8Array> = []
    let at = 0
    while (at < bytes.length) {
      const size = 1 + this.#random.below(this.#random.below(10) === 0 ? 20 : 16_000)
      chunks.push(bytes.subarray(at, at + size))
      at += size
    }
    const body = Stream.fromIterable(chunks, { chunkSize: 1 })
    return {
      status: 200,
      contentType: "text/event-stream",
      date: Number(begun / second) * 1000,
      showable: (words) => words,
      body: end === "end" ? body : Stream.concat(body, Stream.fail(reset))
    }
  }
}

const reset = new NetworkError({ operation: "test", phase: "body", reason: "ECONNRESET", outcome: "none" })
