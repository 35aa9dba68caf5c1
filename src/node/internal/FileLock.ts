import * as FileSystem from "node:fs/promises"

/** A lock that is ours, or the process that holds it. */
export type FileLock =
  | { readonly _tag: "Acquired"; readonly release: () => Promise<void> }
  | { readonly _tag: "Held"; readonly pid: number }

/** The locks of this process: where the system does not tell starts, a lock with its id that is not among them is old. */
const own = new Set<string>()

/**
 * Takes a lock that is a file. It names the process, and where the system tells it the time of its start, so that a
 * process that got the id of a dead one is not taken for it.
 */
export const acquire = async (path: string): Promise<FileLock> => {
  if (own.has(path)) return { _tag: "Held", pid: process.pid }
  own.add(path)
  try {
    const lock = await take(path)
    if (lock._tag === "Held") own.delete(path)
    return lock
  } catch (cause) {
    own.delete(path)
    throw cause
  }
}

const take = async (path: string): Promise<FileLock> => {
  const text = `${process.pid} ${await birthOf(process.pid) ?? "unknown"}\n`
  const draft = `${path}.${process.pid}.${crypto.randomUUID()}`
  await FileSystem.writeFile(draft, text, { mode: 0o600, flag: "wx" })
  try {
    while (true) {
      // A link makes the file with all its text at once, or not at all.
      if (await succeeds(FileSystem.link(draft, path), "EEXIST")) {
        return {
          _tag: "Acquired",
          release: async () => {
            await FileSystem.rm(path, { force: true })
            own.delete(path)
          }
        }
      }
      const holder = await FileSystem.readFile(path, "utf8").catch(() => undefined)
      if (holder === undefined) continue
      const pid = Number.parseInt(holder, 10)
      if (await lives(pid, holder)) return { _tag: "Held", pid }
      await takeAway(path, holder, draft)
    }
  } finally {
    await FileSystem.rm(draft, { force: true })
  }
}

const lives = async (pid: number, holder: string): Promise<boolean> => {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return false
  }
  const birth = await birthOf(pid)
  if (birth !== undefined) return holder === `${pid} ${birth}\n`
  return pid !== process.pid
}

/**
 * Removes a lock that nobody holds. Of several who try, the one with the guard does, and looks once more before: the lock
 * may be another's by now. A guard that its program left is removed by the next who comes.
 */
const takeAway = async (path: string, stale: string, draft: string) => {
  const guard = `${path}.takeover`
  if (!await succeeds(FileSystem.link(draft, guard), "EEXIST")) {
    const holder = await FileSystem.readFile(guard, "utf8").catch(() => undefined)
    if (holder !== undefined && !await lives(Number.parseInt(holder, 10), holder)) {
      await FileSystem.rm(guard, { force: true })
    }
    return
  }
  try {
    const holder = await FileSystem.readFile(path, "utf8").catch(() => undefined)
    if (holder === stale) await FileSystem.rm(path, { force: true })
  } finally {
    await FileSystem.rm(guard, { force: true })
  }
}

const succeeds = async (change: Promise<void>, unless: string): Promise<boolean> => {
  try {
    await change
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === unless) return false
    throw cause
  }
}

/** When a process was started, in words that no other start has; `undefined` where the system does not tell. */
const birthOf = async (pid: number): Promise<string | undefined> => {
  const [boot, stat] = await Promise.all(
    ["/proc/sys/kernel/random/boot_id", `/proc/${pid}/stat`].map((path) =>
      FileSystem.readFile(path, "utf8").catch(() => undefined)
    )
  )
  if (boot === undefined || stat === undefined) return undefined
  // The name of the program, in parentheses, may hold spaces. The third field is its state, the 22nd its start.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return fields[0] === "Z" || fields[0] === "X" ? "dead" : `${boot.trim()}/${fields[19]}`
}
