import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as FileSystem from "node:fs/promises"
import * as Path from "node:path"
import process from "node:process"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { DeployIntent, DeployJournal } from "../services/DeployJournal.ts"
import * as Input from "../services/Input.ts"
import * as FileLock from "./internal/FileLock.ts"
import { replaceFile } from "./internal/replaceFile.ts"

/** Options of {@link layer}. */
export interface FileJournalOptions {
  /** The file, made with mode 0600, as is its directory with 0700. While it is in use, its lock is beside it. */
  readonly path: string
}

/**
 * A `DeployJournal` in a file: what was put is on the disk when the call succeeds, and a crash at any moment loses none
 * of it. One program uses a file at a time, which a lock sees to; a lock that a dead program left is taken over.
 *
 * Fails with `ConfigurationError` where the file cannot be used, or another program that runs holds it.
 *
 * @example
 * ```ts
 * import { Basilica, Deployments } from "basilica-sdk"
 * import { FileJournal } from "basilica-sdk/node"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const layer = Basilica.layerConfig.pipe(Layer.provide(FileJournal.layer({ path: "deploys.journal" })))
 * const start = Deployments.use((deployments) => deployments.reconcile())
 * Effect.runPromise(Effect.provide(start, layer))
 * ```
 */
export const layer = (options: FileJournalOptions): Layer.Layer<DeployJournal, ConfigurationError> =>
  Layer.effect(DeployJournal, make(options.path))

/** It is held for as long as the program runs, and nobody waits for it. */
const lockTimes: FileLock.LockTimes = { heartbeat: 1000, stale: 30_000, dead: 3000, wait: 0 }

const make = Effect.fnUntraced(function*(given: string) {
  const path = yield* attempt(given, () => placeOf(given))
  yield* Effect.catchTags(FileLock.acquire(`${path}.lock`, lockTimes), {
    LockBusy: (busy) =>
      invalid(path, `is in use by ${FileLock.holderOf(busy)}; allowed: one program at a time for each file`),
    LockImpossible: ({ code }) => unusable(path, code)
  })
  const intents = yield* read(path)
  yield* attempt(path, async () => {
    const next = `${path}.next`
    await FileSystem.rm(next, { force: true })
    await replaceFile(FileSystem, path, next, [...intents.values()].map(lineOfPut).join(""))
  })
  const file = yield* Effect.acquireRelease(
    attempt(path, () => FileSystem.open(path, "r+")),
    (open) => Effect.promise(() => open.close())
  )
  let size = (yield* attempt(path, () => file.stat())).size
  const oneByOne = Semaphore.makeUnsafe(1)

  /** Writes a line to the end. What a failure leaves of it is cut off, so that the next line stands by itself. */
  const append = async (line: string) => {
    const bytes = Buffer.from(line)
    try {
      for (let written = 0; written < bytes.length;) {
        written += (await file.write(bytes, written, bytes.length - written, size + written)).bytesWritten
      }
      await file.datasync()
      size += bytes.length
    } catch (cause) {
      await file.truncate(size).catch(() => undefined)
      throw cause
    }
  }

  const empty = async () => {
    await file.truncate(0)
    size = 0
    await file.datasync()
  }

  /** What is written into a file that was removed, or taken over by another program, is lost. */
  const mustBeThere = async () => {
    const [mine, there] = await Promise.all([file.stat(), FileSystem.stat(path)])
    if (mine.ino !== there.ino || mine.dev !== there.dev) throw unfit("it was replaced while it was in use")
  }

  const change = (write: () => Promise<void>, apply: () => void) => {
    const written = attempt(path, async () => {
      await mustBeThere()
      await write()
    })
    return oneByOne.withPermit(Effect.uninterruptible(Effect.tap(written, () => Effect.sync(apply))))
  }

  return DeployJournal.of({
    put: (intent) => change(() => append(lineOfPut(intent)), () => intents.set(intent.key, intent)),
    remove: (key) =>
      Effect.suspend(() => {
        if (!intents.has(key)) return Effect.void
        // A file in which nothing is open any more begins anew.
        const write = () => intents.size === 1 && intents.has(key) ? empty() : append(lineOfRemove(key))
        return change(write, () => intents.delete(key))
      }),
    open: Effect.sync(() => [...intents.values()])
  })
})

const Line = Schema.fromJsonString(
  Schema.Union([Schema.Struct({ put: DeployIntent }), Schema.Struct({ remove: Schema.String })])
)
const decodeLine = Schema.decodeUnknownResult(Line)

const encodeIntent = Schema.encodeSync(DeployIntent)

const lineOfPut = (intent: DeployIntent): string => `${JSON.stringify({ put: encodeIntent(intent) })}\n`
const lineOfRemove = (key: string): string => `${JSON.stringify({ remove: key })}\n`

/** The file itself, of which there may be several names, with its directory made. */
const placeOf = async (given: string): Promise<string> => {
  const directory = Path.dirname(Path.resolve(given))
  await FileSystem.mkdir(directory, { recursive: true, mode: 0o700 })
  const path = Path.join(await FileSystem.realpath(directory), Path.basename(given))
  return FileSystem.realpath(path).catch(ifMissing(path))
}

/** Reads the file, if it is one and this user's: what it says is stopped. Does not wait for a pipe. */
const readOwn = async (path: string): Promise<string> => {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = FileSystem.constants
  const handle = await FileSystem.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(ifMissing(undefined))
  if (handle === undefined) return ""
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw unfit("it is no file")
    const user = process.getuid?.()
    if (user !== undefined && status.uid !== user) throw unfit("it belongs to another user")
    return await handle.readFile("utf8")
  } finally {
    await handle.close()
  }
}

const ifMissing = <A>(instead: A) => (cause: unknown): A => {
  if (FileLock.codeOf(cause) === "ENOENT") return instead
  throw cause
}

/** An error whose code is a clause. */
const unfit = (code: string) => Object.assign(new Error(code), { code })

/**
 * What is open in the file. A last line without its end was being written in a crash, and its call had not succeeded;
 * any other line that cannot be read may stand for a machine that runs, and is an error.
 */
const read = Effect.fnUntraced(function*(path: string) {
  const text = yield* attempt(path, () => readOwn(path))
  const intents = new Map<string, DeployIntent>()
  for (const [index, line] of text.split("\n").slice(0, -1).entries()) {
    const entry = decodeLine(line)
    if (Result.isFailure(entry)) {
      return yield* invalid(path, `has a line ${index + 1} that cannot be read; allowed: a journal that this SDK wrote`)
    }
    if ("put" in entry.success) intents.set(entry.success.put.key, entry.success.put)
    else intents.delete(entry.success.remove)
  }
  return intents
})

const attempt = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, ConfigurationError> =>
  Effect.catch(Effect.tryPromise({ try: run, catch: FileLock.codeOf }), (code) => unusable(path, code))

const unusable = (path: string, reason: string) =>
  invalid(path, `cannot be used (${reason}); allowed: a file that this program can read and write`)

const invalid = (path: string, problem: string) => Input.invalid("FileJournal", path, problem)
