import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as FileSystem from "node:fs/promises"
import * as Path from "node:path"
import { ConfigurationError } from "../errors/ConfigurationError.ts"
import { DeployIntent, DeployJournal } from "../services/DeployJournal.ts"
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
  Layer.effect(DeployJournal, make(Path.resolve(options.path)))

/** It is held for as long as the program runs, and nobody waits for it. */
const lockTimes: FileLock.LockTimes = { heartbeat: 1000, stale: 30_000, dead: 3000, wait: 0 }

const make = Effect.fnUntraced(function*(path: string) {
  yield* attempt(path, () => FileSystem.mkdir(Path.dirname(path), { recursive: true, mode: 0o700 }))
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

  const change = (write: () => Promise<void>, apply: () => void) =>
    oneByOne.withPermit(Effect.uninterruptible(Effect.tap(attempt(path, write), () => Effect.sync(apply))))

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

/**
 * What is open in the file. A last line without its end was being written in a crash, and its call had not succeeded;
 * any other line that cannot be read may stand for a machine that runs, and is an error.
 */
const read = Effect.fnUntraced(function*(path: string) {
  const text = yield* attempt(path, () =>
    FileSystem.readFile(path, "utf8").catch((cause: unknown) => {
      if (FileLock.codeOf(cause) === "ENOENT") return ""
      throw cause
    }))
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

const invalid = (path: string, problem: string) =>
  Effect.fail(new ConfigurationError({ operation: "FileJournal", problems: [{ field: path, problem }] }))
