import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, type Scope } from "effect"
import { execFile, execFileSync } from "node:child_process"
import * as Files from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { promisify } from "node:util"
import { acquire, type LockTimes, withLock } from "../../src/node/internal/FileLock.ts"
import { onMachineTime } from "../support/MachineTime.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => Files.mkdtempSync(join(tmpdir(), "basilica-lock-"))),
  (path) => Effect.sync(() => Files.rmSync(path, { recursive: true, force: true }))
)
const lockPath = Effect.map(directory, (path) => join(path, "the.lock"))

const quick: LockTimes = { heartbeat: 20, stale: 200, dead: 60, wait: 5000 }
const never = { stale: 60_000, dead: 60_000 }

const deadPid = () => Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }))

/** What a lock of this process says. */
const written = (path: string) =>
  Effect.scoped(Effect.andThen(
    acquire(path, quick),
    Effect.sync(() => JSON.parse(Files.readFileSync(path, "utf8")) as { readonly [field: string]: unknown })
  ))

/** Ten who want the lock at once; gives how many were inside at most, and how long it took. */
const ten = Effect.fnUntraced(function*(path: string, times: LockTimes) {
  const startedAt = yield* Clock.currentTimeMillis
  let inside = 0
  let most = 0
  const work = Effect.gen(function*() {
    most = Math.max(most, ++inside)
    yield* Effect.sleep("5 millis")
    inside--
  })
  yield* Effect.all(Array.from({ length: 10 }, () => withLock(path, times)(work)), { concurrency: "unbounded" })
  assert.deepStrictEqual(Files.readdirSync(dirname(path)), [])
  return { most, millis: (yield* Clock.currentTimeMillis) - startedAt }
})

/** On the time of this process: on a busy machine no heart misses its beat. */
const onItsTime = (name: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.live(name, () => onMachineTime(test()))

const until = (is: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => is() ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), until(is)))

const tellsBirths = Files.existsSync("/proc/self/stat")
const whereBirthsAreTold = tellsBirths ? onItsTime : it.live.skip

describe("a lock between programs", () => {
  onItsTime("lets one work at a time", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* ten(yield* lockPath, quick)).most, 1)
    }))

  onItsTime(
    "is given back on failure and interruption, and waiting for it can be interrupted",
    () =>
      Effect.gen(function*() {
        const path = yield* lockPath
        const locked = withLock(path, quick)
        assert.strictEqual(yield* Effect.flip(locked(Effect.fail("x" as const))), "x")
        assert.isFalse(Files.existsSync(path))
        const holding = yield* Effect.forkChild(locked(Effect.never), { startImmediately: true })
        yield* until(() => Files.existsSync(path))
        const waiting = yield* Effect.forkChild(locked(Effect.void), { startImmediately: true })
        yield* Effect.sleep("30 millis")
        yield* Fiber.interrupt(waiting)
        assert.isTrue(Files.existsSync(path))
        yield* Fiber.interrupt(holding)
        assert.isFalse(Files.existsSync(path))
      })
  )

  const strange: Readonly<Record<string, (path: string) => void>> = {
    "a pipe that nobody writes to": (path) => execFileSync("mkfifo", [path]),
    "a link to nowhere": (path) => Files.symlinkSync(`${path}-nowhere`, path),
    "far too large": (path) => Files.writeFileSync(path, " ".repeat(5 * 1024 * 1024))
  }
  for (const [what, make] of Object.entries(strange)) {
    for (const suffix of ["", ".takeover"]) {
      const name = `is taken over after a silence where ${suffix === "" ? "its place" : "the second lock"} is ${what}`
      onItsTime(name, () =>
        Effect.gen(function*() {
          const path = yield* lockPath
          if (suffix !== "") Files.writeFileSync(path, "")
          make(`${path}${suffix}`)
          // Where it is waited for a pipe, this ends the waiting.
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              if (Files.existsSync(path)) Files.closeSync(Files.openSync(path, "r+"))
            })
          )
          assert.strictEqual((yield* ten(path, quick)).most, 1)
        }))
    }
  }

  onItsTime("is not looked for behind a link: what it leads to says nothing", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      const other = `${path}-other`
      yield* acquire(other, quick)
      const text = Files.readFileSync(other, "utf8")
      Files.symlinkSync(other, path)
      yield* withLock(path, { ...quick, wait: 0 })(Effect.sync(() => assert.isTrue(Files.lstatSync(path).isFile())))
      assert.strictEqual(Files.readFileSync(other, "utf8"), text)
    }))

  onItsTime("is kept by its heartbeat for longer than a silent one would be", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      let isOver = false
      const work = Effect.andThen(Effect.sleep("600 millis"), Effect.sync(() => isOver = true))
      yield* Effect.forkChild(withLock(path, quick)(work), { startImmediately: true })
      yield* until(() => Files.existsSync(path))
      yield* withLock(path, quick)(Effect.sync(() => assert.isTrue(isOver)))
    }))

  onItsTime("that was taken over is not given back by the one who lost it", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      // The heartbeat of this one does not beat.
      const asleep = withLock(path, { ...quick, heartbeat: 100_000 })
      const first = yield* Effect.forkChild(asleep(Effect.sleep("500 millis")), { startImmediately: true })
      yield* until(() => Files.existsSync(path))
      const second = yield* Effect.forkChild(withLock(path, quick)(Effect.sleep("800 millis")), {
        startImmediately: true
      })
      yield* Fiber.join(first)
      assert.isTrue(Files.existsSync(path))
      yield* Fiber.join(second)
      assert.isFalse(Files.existsSync(path))
    }))

  whereBirthsAreTold(
    "of a process that is gone for certain is taken over at once, by one of those who wait",
    () =>
      Effect.gen(function*() {
        const path = yield* lockPath
        const own = yield* written(path)
        for (
          const holder of [
            { ...own, pid: deadPid(), birth: "1" },
            // Its number was given to another process.
            { ...own, pid: process.ppid, birth: "1" },
            { ...own, birth: "1" }
          ]
        ) {
          Files.writeFileSync(path, JSON.stringify(holder))
          const { millis, most } = yield* ten(path, { ...quick, ...never })
          assert.strictEqual(most, 1)
          assert.isBelow(millis, 5000)
        }
      })
  )

  onItsTime("of a process that seems to be gone is taken over after a shorter silence", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      const { birth: _, ...own } = yield* written(path)
      Files.writeFileSync(path, JSON.stringify({ ...own, pid: deadPid() }))
      const { millis, most } = yield* ten(path, { ...quick, stale: 60_000 })
      assert.strictEqual(most, 1)
      assert.isAbove(millis, 50)
      assert.isBelow(millis, 10_000)
    }))

  onItsTime("of which nothing is known is taken over after a silence", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      const own = yield* written(path)
      for (
        const text of [
          JSON.stringify({ ...own, pid: 1, machine: "another" }),
          JSON.stringify({ ...own, id: "of another copy of this module" }),
          JSON.stringify({ ...own, pid: process.ppid, birth: undefined }),
          "",
          "nonsense",
          "{}",
          "null"
        ]
      ) {
        Files.writeFileSync(path, text)
        const { millis, most } = yield* ten(path, quick)
        assert.strictEqual(most, 1)
        assert.isAbove(millis, 190)
      }
    }))

  onItsTime("is not waited for for ever, and the error names the process", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      yield* acquire(path, quick)
      for (const wait of [0, 100]) {
        const startedAt = yield* Clock.currentTimeMillis
        const error = yield* Effect.flip(withLock(path, { ...quick, wait })(Effect.void))
        assert.deepInclude(error, { _tag: "LockBusy", pid: process.pid })
        assert.isAtLeast(Math.round((yield* Clock.currentTimeMillis) - startedAt), wait)
      }
    }))

  onItsTime("of a machine that cannot be asked is busy as soon as it is touched", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      Files.writeFileSync(path, JSON.stringify({ id: "x", pid: 7, machine: "another" }))
      const beat = setInterval(() => Files.utimesSync(path, Date.now() / 1000, Date.now() / 1000), 50)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(beat)))
      const startedAt = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(withLock(path, { ...quick, stale: 2000, wait: 0 })(Effect.void))
      assert.deepInclude(error, { _tag: "LockBusy", pid: 7 })
      assert.isBelow((yield* Clock.currentTimeMillis) - startedAt, 1500)
    }))

  onItsTime("is taken over also where one died in the middle of that", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      const own = yield* written(path)
      const dead = JSON.stringify({ ...own, pid: deadPid(), birth: tellsBirths ? "1" : undefined })
      Files.writeFileSync(path, dead)
      Files.writeFileSync(`${path}.takeover`, dead)
      assert.strictEqual((yield* ten(path, quick)).most, 1)
    }))

  onItsTime("that cannot be made says why", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(withLock(join(yield* directory, "none", "x.lock"), quick)(Effect.void))
      assert.deepInclude(error, { _tag: "LockImpossible", code: "ENOENT" })
    }))

  onItsTime("keeps no program from its end, and is free after it", () =>
    Effect.gen(function*() {
      const path = yield* lockPath
      const module = join(import.meta.dirname, "../../src/node/internal/FileLock.ts")
      const script = `
        import { Effect, Scope } from "effect"
        import { acquire } from ${JSON.stringify(module)}
        const lock = acquire(${JSON.stringify(path)}, { heartbeat: 20, stale: 200, dead: 60, wait: 0 })
        await Effect.runPromise(Scope.provide(lock, Scope.makeUnsafe()))
        console.log("held")`
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)(
          process.execPath,
          ["--conditions=basilica-sdk-source", "--input-type=module-typescript", "-e", script],
          { cwd: join(import.meta.dirname, "../.."), timeout: 15_000 }
        )
      )
      assert.strictEqual(stdout.trim(), "held")
      assert.isTrue(Files.existsSync(path))
      assert.strictEqual((yield* ten(path, quick)).most, 1)
    }))
})
