import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as FileSystem from "node:fs/promises"
import * as OperatingSystem from "node:os"
import * as Path from "node:path"
import * as LogStore from "../../src/local/LogStore.ts"
import { ContainerFailure } from "../../src/server/ContainerRuntime.ts"
import * as LogFormat from "../../src/server/LogFormat.ts"

const event = (message: string) => LogFormat.event("stdout", "2025-09-20T12:00:00.000000000Z", message)
const all = { follow: false, tail: undefined }
const following = { follow: true, tail: undefined }

const opened = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.promise(() => FileSystem.mkdtemp(Path.join(OperatingSystem.tmpdir(), "log-store-"))),
    (path) => Effect.promise(() => FileSystem.rm(path, { recursive: true }))
  )
  const path = Path.join(directory, "log")
  return { path, log: yield* LogStore.open(path) }
})

const text = (stream: Stream.Stream<Uint8Array, ContainerFailure>) => Stream.mkString(Stream.decodeText(stream))

describe("a log on disk", () => {
  it.live("is read back as it was written", () =>
    Effect.gen(function*() {
      const { log } = yield* opened
      assert.strictEqual(yield* text(log.read(all)), "")
      const lines = Array.from({ length: 5000 }, (_, index) => event(`line ${index} ${"ü".repeat(index % 700)}`))
      for (let index = 0; index < 5000; index += 50) yield* log.append(lines.slice(index, index + 50).join(""))
      assert.strictEqual(yield* text(log.read(all)), lines.join(""))
    }))

  it.live("comes in chunks that do not end within an event, however long it is", () =>
    Effect.gen(function*() {
      const { log } = yield* opened
      yield* log.append(Array.from({ length: 200 }, () => event("\u0007".repeat(4096))).join(""))
      const chunks = yield* Stream.runCollect(log.read(all))
      assert.isAbove(chunks.length, 50)
      for (const chunk of chunks) {
        assert.isAtMost(chunk.length, 65536)
        assert.strictEqual(new TextDecoder().decode(chunk.slice(-2)), "\n\n")
      }
    }))

  it.live("begins with the last lines that are asked for, at any size", () =>
    Effect.gen(function*() {
      const { log } = yield* opened
      const lines = Array.from({ length: 3000 }, (_, index) => event(`${index} ${"x".repeat(index % 97)}`))
      yield* log.append(lines.join(""))
      for (const tail of [0, 1, 2, 499, 500, 501, 2999, 3000, 3001, 4294967295]) {
        assert.strictEqual(
          yield* text(log.read({ follow: false, tail })),
          lines.slice(Math.max(0, 3000 - tail)).join("")
        )
      }
    }))

  it.live("wakes those who follow at each line, and lets them go at the end", () =>
    Effect.gen(function*() {
      const { log } = yield* opened
      yield* log.append(event("old"))
      const seen = yield* Latch.make()
      const follow = (tail: number | undefined) =>
        text(Stream.tap(log.read({ ...following, tail }), () => seen.open)).pipe(
          Effect.forkChild({ startImmediately: true })
        )
      const followers = [yield* follow(undefined), yield* follow(1), yield* follow(undefined)]
      yield* seen.await
      yield* log.append(event("new"))
      yield* log.append(event("newer"))
      yield* log.end
      for (const follower of followers) {
        assert.strictEqual(yield* Fiber.join(follower), event("old") + event("new") + event("newer"))
      }
    }))

  it.live("is the same for those who follow closely and for those who lag, whatever the sizes", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ lines: fc.constantFrom(1, 2, 40, 900), width: fc.nat(200), waits: fc.boolean() })),
          (appends) =>
            Effect.gen(function*() {
              const { log } = yield* opened
              let received = 0
              const follower = yield* text(Stream.tap(log.read(following), (bytes) =>
                Effect.sync(() => {
                  received += bytes.length
                }))).pipe(Effect.forkChild({ startImmediately: true }))
              const late: Array<Fiber.Fiber<string, ContainerFailure>> = []
              for (const { lines, waits, width } of appends) {
                yield* log.append(event("x".repeat(width)).repeat(lines))
                if (waits) yield* Effect.repeat(Effect.sleep(0), { until: () => received === log.size() })
                late.push(yield* Effect.forkChild(text(log.read(following))))
              }
              yield* log.end
              const whole = yield* text(log.read(all))
              for (const one of [follower, ...late]) assert.strictEqual(yield* Fiber.join(one), whole)
            }).pipe(Effect.scoped, Effect.runPromise)
        ),
        { numRuns: 50 }
      )
    ))

  it.live("goes on for a reader when the file was removed", () =>
    Effect.gen(function*() {
      const { log, path } = yield* opened
      yield* log.append(event("old"))
      const seen = yield* Latch.make()
      const follower = yield* text(Stream.tap(log.read(following), () => seen.open)).pipe(Effect.forkChild)
      yield* seen.await
      yield* Effect.promise(() => FileSystem.rm(path))
      yield* log.append(event("new"))
      yield* log.end
      assert.strictEqual(yield* Fiber.join(follower), event("old") + event("new"))
    }))

  it.live("keeps the lines of two writers whole", () =>
    Effect.gen(function*() {
      const { log } = yield* opened
      // So much at once is more than one write of the file.
      const many = Array.from({ length: 500 }, (_, index) => event(`a ${index} ${"x".repeat(4000)}`))
      const few = Array.from({ length: 200 }, (_, index) => event(`b ${index}`))
      const follower = yield* text(log.read(following)).pipe(Effect.forkChild({ startImmediately: true }))
      yield* Effect.all([
        log.append(many.join("")),
        Effect.forEach(few, (line) => log.append(line)),
        log.append(many.join(""))
      ], { concurrency: "unbounded" })
      yield* log.end
      const lines = (yield* Fiber.join(follower)).split("\n\n").slice(0, -1).map((line) => `${line}\n\n`)
      assert.deepStrictEqual(lines.filter((line) => line.includes("\"b ")), few)
      assert.deepStrictEqual(lines.filter((line) => line.includes("\"a ")), [...many, ...many])
    }))

  it.live("tells those who read it why it broke off, after the last line", () =>
    Effect.gen(function*() {
      const { log } = yield* opened
      const failure = new ContainerFailure({ message: "the disk is full" })
      yield* log.append(event("old"))
      yield* log.fail(failure)
      const lines: Array<string> = []
      const error = yield* Effect.flip(
        Stream.runForEach(Stream.decodeText(log.read(following)), (line) => Effect.sync(() => lines.push(line)))
      )
      assert.strictEqual(error, failure)
      assert.deepStrictEqual(lines, [event("old")])
    }))
})
