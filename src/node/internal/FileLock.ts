/**
 * A lock between programs: a file that is there while one of them holds it. It names its process, and its holder touches it
 * again and again. So the others can tell a lock that is held from one whose program has died: at once where the system
 * tells when a process was started, and otherwise by its silence.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { type BigIntStats, constants } from "node:fs"
import { type FileHandle, link, lstat, open, readFile, readlink, rename, unlink } from "node:fs/promises"
import { hostname } from "node:os"
import process from "node:process"
import { setTimeout as sleep } from "node:timers/promises"
import { jsonOf } from "../../schema/jsonOf.ts"

/** The times of a lock, in milliseconds. */
export interface LockTimes {
  /** How often the holder touches it. */
  readonly heartbeat: number
  /** Without a touch for so long, a lock is taken over. */
  readonly stale: number
  /** The same, where its program seems to be gone from this machine, which is no proof: there may be another of its name. */
  readonly dead: number
  /** How long to wait for it while somebody holds it who lives. */
  readonly wait: number
}

/** Somebody else holds the lock, and works. */
export class LockBusy extends Data.TaggedError("LockBusy")<{
  /** The process, where it is known. */
  readonly pid: number | undefined
}> {}

/** Who holds it, in words. */
export const holderOf = ({ pid }: LockBusy): string => pid === undefined ? "another program" : `the process ${pid}`

/** The lock cannot be made: a read-only directory, a full disk. */
export class LockImpossible extends Data.TaggedError("LockImpossible")<{ readonly code: string }> {}

/** Holds the lock until the scope closes. Waiting for it can be interrupted. */
export const acquire = (
  path: string,
  times: LockTimes
): Effect.Effect<void, LockBusy | LockImpossible, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(take(path, times, restore), (lock) => Effect.addFinalizer(() => release(path, lock, times)))
  )

/** Runs an effect under the lock. Waiting for it can be interrupted; it is given back whatever happens. */
export const withLock = (path: string, times: LockTimes) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | LockBusy | LockImpossible, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      take(path, times, restore),
      (lock) => Effect.onExit(restore(effect), () => release(path, lock, times))
    )
  )

/** Who holds a lock, as its file says it. */
interface Holder {
  /** Names this one lock. */
  readonly id: string
  readonly pid: number
  /** Where the process is: two that say the same here, and the same number, are one where both say their birth. */
  readonly machine: string
  /** When the process was started, in words that no other start has; absent where the system does not tell. */
  readonly birth?: string | undefined
}

interface Lock {
  readonly handle: FileHandle
  readonly id: string
  readonly heart: NodeJS.Timeout
  touchedAt: number
}

/** What can be seen of a lock from outside. It changes with each touch. */
interface Sight {
  readonly text: string
  readonly touched: string
  /** By the clock of the file system, in milliseconds since 1970. */
  readonly touchedAt: number
}

/** The locks that this program holds. */
const held = new Set<string>()

/** Time here is that of the machine: other programs live on no other. */
const now = () => performance.now()

const take = Effect.fnUntraced(function*(
  path: string,
  times: LockTimes,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
) {
  const startedAt = now()
  let last: Sight | undefined
  let sightedAt = startedAt
  let beats = false
  for (;;) {
    const made = yield* attempt(() => makeNew(path))
    if (made !== undefined) return keep(made, times)
    const seen = yield* attempt(() => look(path))
    if (seen?.text !== last?.text || seen?.touched !== last?.touched) {
      beats = seen !== undefined && seen.text === last?.text
      last = seen
      sightedAt = now()
    }
    const holder = last === undefined ? undefined : read(last.text)
    const life = last === undefined ? undefined : yield* Effect.promise(() => lifeOf(holder))
    if (life !== undefined && now() - sightedAt >= patience(life, times)) {
      const taken = yield* attempt(() => takeOver(path, last, times))
      if (taken !== undefined) return keep(taken, times)
    }
    // Of one of whom nothing is known, it shows by the next touch whether it lives; and one that cannot be seen may be a
    // lock that was just given back, or a link to nowhere.
    const wait = times.wait + (life === "lives" || beats ? 0 : 2 * times.stale)
    if (now() - startedAt >= wait) return yield* new LockBusy({ pid: holder?.pid })
    yield* restore(Effect.promise((signal) => sleep(10 + 30 * Math.random(), undefined, { signal }).catch(() => {})))
  }
})

const attempt = <A>(action: () => Promise<A>): Effect.Effect<A, LockImpossible> =>
  Effect.tryPromise({ try: action, catch: (error) => new LockImpossible({ code: codeOf(error) }) })

interface Made {
  readonly handle: FileHandle
  readonly id: string
}

/** Makes the file, or `undefined` where there is one. */
const makeNew = async (path: string): Promise<Made | undefined> => {
  const id = randomUUID()
  const holder: Holder = { id, pid: process.pid, machine: await machine(), birth: await birthOf(process.pid) }
  let handle: FileHandle
  try {
    handle = await open(path, "wx", 0o600)
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined
    throw error
  }
  try {
    await handle.writeFile(JSON.stringify(holder))
    return { handle, id }
  } catch (error) {
    await handle.close()
    await unlink(path)
    throw error
  }
}

/** Holds a lock that was made. It is touched by its handle: one that was taken over is another file, and stays untouched. */
const keep = ({ handle, id }: Made, { heartbeat }: LockTimes): Lock => {
  held.add(id)
  const beat = async () => {
    const at = Date.now() / 1000
    await handle.utimes(at, at)
    lock.touchedAt = now()
  }
  const lock: Lock = { handle, id, heart: setInterval(() => beat().catch(() => {}), heartbeat), touchedAt: now() }
  // A program that forgets to let go of it is not kept from its end.
  lock.heart.unref()
  return lock
}

/** Gives it back, unless it may have been taken over: then it is left to go stale. */
const release = (path: string, { handle, heart, id, touchedAt }: Lock, times: LockTimes): Effect.Effect<void> =>
  Effect.promise(async () => {
    clearInterval(heart)
    const silent = now() - touchedAt
    const [mine, there] = await Promise.all([
      handle.stat({ bigint: true }).catch(() => undefined),
      lstat(path, { bigint: true }).catch(() => undefined)
    ])
    await handle.close().catch(() => undefined)
    if (silent < times.stale / 2 && mine !== undefined && mine.ino === there?.ino) {
      await unlink(path).catch(() => undefined)
    }
    held.delete(id)
  })

/** Larger is no lock. */
const maxBytes = 4096

/**
 * Looks without following a link or waiting for a pipe. What is no file of ours says nothing of its holder, and goes stale
 * as any other.
 */
const look = async (path: string): Promise<Sight | undefined> => {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const status = await handle.stat({ bigint: true })
      const mine = process.getuid === undefined || Number(status.uid) === process.getuid()
      return sight(status, mine && status.isFile() && status.size <= maxBytes ? await handle.readFile("utf8") : "")
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    // A link, or a socket.
    if (codeOf(error) !== "ELOOP" && codeOf(error) !== "ENXIO") throw error
    const status = await lstat(path, { bigint: true }).catch(() => undefined)
    return status === undefined ? undefined : sight(status, "")
  }
}

const sight = ({ ino, mtimeMs, mtimeNs }: BigIntStats, text: string): Sight => ({
  text,
  touched: `${ino}:${mtimeNs}`,
  touchedAt: Number(mtimeMs)
})

/**
 * Puts a new lock in the place of one that is stale. Of several who try, the one with the second lock does; it looks once
 * more before, at the stale lock and whether the second one is still its own, since it may have been stopped for long.
 */
const takeOver = async (path: string, stale: Sight | undefined, times: LockTimes): Promise<Made | undefined> => {
  const guardPath = `${path}.takeover`
  const guard = await makeNew(guardPath)
  if (guard === undefined) {
    await removeIfLeft(guardPath, times)
    return undefined
  }
  const candidatePath = `${path}.${randomUUID()}`
  held.add(guard.id)
  try {
    const seen = await look(path)
    if (seen === undefined || seen.text !== stale?.text || seen.touched !== stale.touched) return undefined
    const candidate = await makeNew(candidatePath)
    if (candidate === undefined) return undefined
    try {
      if ((await look(guardPath))?.text.includes(guard.id) !== true) throw new Error("It was taken away")
      await rename(candidatePath, path)
      return candidate
    } catch {
      // Windows does not replace a file that its program still has open.
      await candidate.handle.close()
      await unlink(candidatePath).catch(() => undefined)
      return undefined
    }
  } finally {
    await guard.handle.close()
    await unlink(guardPath).catch(() => undefined)
    held.delete(guard.id)
  }
}

/**
 * Removes the second lock where its program died in the middle of a take-over. It is moved away first and looked at there:
 * another may have removed it and made a new one meanwhile, which is put back.
 */
const removeIfLeft = async (path: string, times: LockTimes): Promise<void> => {
  const moved = `${path}.${randomUUID()}`
  try {
    const seen = await look(path)
    if (seen === undefined) return
    if (Date.now() - seen.touchedAt < patience(await lifeOf(read(seen.text)), times)) return
    await rename(path, moved)
    if ((await look(moved))?.text !== seen.text) await link(moved, path)
  } catch {
    // Somebody else was quicker.
  }
  await unlink(moved).catch(() => undefined)
}

/** What is known of a holder without waiting for its touch. `"gone"`: as it seems; `"dead"`: for certain. */
type Life = "lives" | "dead" | "gone" | "unknown"

/** For how long a lock is let be that nobody touches. */
const patience = (life: Life, { dead, stale }: LockTimes): number =>
  life === "dead" ? 0 : life === "gone" ? dead : stale

const lifeOf = async (holder: Holder | undefined): Promise<Life> => {
  if (holder === undefined || holder.machine !== await machine()) return "unknown"
  const { birth, id, pid } = holder
  if (held.has(id)) return "lives"
  // One of this process that is not ours: another copy of this module may hold it.
  if (pid === process.pid && birth === await birthOf(pid)) return "unknown"
  if (!isThere(pid)) return birth === undefined ? "gone" : "dead"
  const found = birth === undefined ? undefined : await birthOf(pid)
  return found === undefined ? "unknown" : found === birth ? "lives" : "dead"
}

const read = (text: string): Holder | undefined => {
  // `Object` makes one of anything: what is no object has none of these.
  const { birth, id, machine, pid } = Object(jsonOf(text)) as Partial<Record<keyof Holder, unknown>>
  const isHolder = typeof id === "string" && typeof machine === "string" && typeof pid === "number" && pid > 0
  return isHolder ? { id, machine, pid, birth: typeof birth === "string" ? birth : undefined } : undefined
}

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== "ESRCH"
  }
}

/** On Linux the system that was started, and the numbering of its processes: a container has its own. */
const machine = async (): Promise<string> => {
  try {
    return `${(await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim()}/${await readlink(
      "/proc/self/ns/pid"
    )}`
  } catch {
    return hostname()
  }
}

const birthOf = async (pid: number): Promise<string | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined)
  if (text === undefined) return undefined
  // The name of the program, in parentheses, may hold spaces. The third field is its state, the 22nd its start.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return fields[0] === "Z" || fields[0] === "X" ? "dead" : fields[19]
}

/** The code of an error of the file system, such as `EACCES`. */
export const codeOf = (error: unknown): string => {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined
  return typeof code === "string" ? code : "an unknown error"
}
