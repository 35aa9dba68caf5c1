/**
 * A lock between programs: a file that exists while one of them works. The one who holds it touches it again and again, so
 * that the others can tell a lock that is worked under from one whose program has died.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { randomUUID } from "node:crypto"
import { type FileHandle, link, open, readFile, rename, stat, unlink } from "node:fs/promises"
import { hostname } from "node:os"
import process from "node:process"

/** The times of a lock, in milliseconds. */
export interface LockTimes {
  /** How often the holder touches it. */
  readonly heartbeat: number
  /** Without a touch for so long, a lock is taken over. */
  readonly stale: number
  /** The same, where its program ran on this machine and is no more. */
  readonly dead: number
  /** How long to wait for it at most. */
  readonly wait: number
}

export const defaultTimes: LockTimes = { heartbeat: 500, stale: 10_000, dead: 1500, wait: 120_000 }

/** Somebody else holds the lock, and works. */
export class LockBusy {
  readonly _tag = "LockBusy"
}

/** The lock cannot be made: a read-only directory, a full disk. */
export class LockImpossible {
  readonly _tag = "LockImpossible"
  readonly code: string
  constructor(code: string) {
    this.code = code
  }
}

interface Lock {
  readonly handle: FileHandle
  touchedAt: number
}

/** What can be seen of a lock from outside. It changes with each touch. */
interface Sight {
  readonly text: string
  readonly touched: string
}

/** Runs an effect under the lock. Waiting for it can be interrupted; it is given back whatever happens. */
export const withLock = (path: string, times: LockTimes) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | LockBusy | LockImpossible, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const lock = yield* take(path, times, restore)
      const heart = yield* Effect.forkChild(beat(lock, times))
      const exit = yield* Effect.exit(restore(effect))
      yield* Fiber.interrupt(heart)
      yield* release(path, lock, times)
      return yield* exit
    })
  )

const take = Effect.fnUntraced(function*(
  path: string,
  times: LockTimes,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
) {
  const startedAt = yield* monotonicMillis
  let sight: Sight | undefined
  let sightedAt = startedAt
  for (;;) {
    const now = yield* monotonicMillis
    const handle = yield* attempt(() => openNew(path))
    if (handle !== undefined) return { handle, touchedAt: now }
    const seen = yield* attempt(() => look(path))
    if (seen?.text !== sight?.text || seen?.touched !== sight?.touched) {
      sight = seen
      sightedAt = now
    }
    if (sight !== undefined && now - sightedAt >= (isDead(sight.text) ? times.dead : times.stale)) {
      const taken = yield* attempt(() => takeOver(path, sight, times))
      if (taken !== undefined) return { handle: taken, touchedAt: now }
    }
    if (now - startedAt >= times.wait) return yield* Effect.fail(new LockBusy())
    yield* restore(Effect.sleep(10 + 30 * (yield* Random.next)))
  }
})

const attempt = <A>(action: () => Promise<A>): Effect.Effect<A, LockImpossible> =>
  Effect.tryPromise({ try: action, catch: (error) => new LockImpossible(codeOf(error)) })

/** Makes the file, or `undefined` where there is one. */
const openNew = async (path: string): Promise<FileHandle | undefined> => {
  let handle: FileHandle
  try {
    handle = await open(path, "wx", 0o600)
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined
    throw error
  }
  try {
    await handle.writeFile(JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() }))
    return handle
  } catch (error) {
    await handle.close()
    await unlink(path)
    throw error
  }
}

const look = async (path: string): Promise<Sight | undefined> => {
  try {
    const [text, { mtimeNs, ino }] = await Promise.all([readFile(path, "utf8"), stat(path, { bigint: true })])
    return { text, touched: `${ino}:${mtimeNs}` }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  }
}

/**
 * Puts a new lock in the place of one that is stale. Of several who try, the one with the second lock does; it looks once
 * more before, and the place is never empty, so nobody else slips in.
 */
const takeOver = async (path: string, stale: Sight | undefined, times: LockTimes): Promise<FileHandle | undefined> => {
  const guardPath = `${path}.takeover`
  const guard = await openNew(guardPath)
  if (guard === undefined) {
    await removeIfLeft(guardPath, times)
    return undefined
  }
  const candidatePath = `${path}.${randomUUID()}`
  try {
    const seen = await look(path)
    if (seen === undefined || seen.text !== stale?.text || seen.touched !== stale.touched) return undefined
    const candidate = await openNew(candidatePath)
    if (candidate === undefined) return undefined
    try {
      await rename(candidatePath, path)
      return candidate
    } catch {
      // Windows does not replace a file that its program still has open.
      await candidate.close()
      await unlink(candidatePath).catch(() => undefined)
      return undefined
    }
  } finally {
    await guard.close()
    await unlink(guardPath).catch(() => undefined)
  }
}

/**
 * Removes the second lock where its program died in the middle of a take-over. It is moved away first and looked at there:
 * another may have removed it and made a new one meanwhile, which is put back.
 */
const removeIfLeft = async (path: string, times: LockTimes): Promise<void> => {
  const moved = `${path}.${randomUUID()}`
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, "utf8"), stat(path)])
    if (Date.now() - mtimeMs < (isDead(text) ? times.dead : times.stale)) return
    await rename(path, moved)
    if (await readFile(moved, "utf8") !== text) await link(moved, path)
  } catch {
    // Somebody else was quicker.
  }
  await unlink(moved).catch(() => undefined)
}

/** Touches the file by its handle: a lock that was taken over is another file, and stays untouched. */
const beat = (lock: Lock, times: LockTimes): Effect.Effect<void> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const touched = yield* Effect.option(Effect.tryPromise(() => lock.handle.utimes(now / 1000, now / 1000)))
    if (touched._tag === "Some") lock.touchedAt = yield* monotonicMillis
  }).pipe(Effect.repeat(Schedule.spaced(times.heartbeat)), Effect.asVoid)

/** Gives it back, unless it may have been taken over: then it is left to go stale. */
const release = Effect.fnUntraced(function*(path: string, lock: Lock, times: LockTimes) {
  const silent = (yield* monotonicMillis) - lock.touchedAt
  yield* Effect.promise(async () => {
    const [mine, there] = await Promise.all([
      lock.handle.stat({ bigint: true }).catch(() => undefined),
      stat(path, { bigint: true }).catch(() => undefined)
    ])
    await lock.handle.close().catch(() => undefined)
    if (silent < times.stale / 2 && mine !== undefined && mine.ino === there?.ino) {
      await unlink(path).catch(() => undefined)
    }
  })
})

const isDead = (text: string): boolean => {
  try {
    const { host, pid } = JSON.parse(text) as { readonly host?: unknown; readonly pid?: unknown }
    if (host !== hostname() || typeof pid !== "number") return false
    process.kill(pid, 0)
    return false
  } catch (error) {
    return codeOf(error) === "ESRCH"
  }
}

const monotonicMillis = Clock.clockWith((clock) =>
  Effect.map(clock.monotonicTimeNanos, (nanos) => Number(nanos / 1000n) / 1000)
)

/** The code of an error of the file system, such as `EACCES`. */
export const codeOf = (error: unknown): string => {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined
  return typeof code === "string" ? code : "an unknown error"
}
