import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as FileSystem from "node:fs/promises"
import { ContainerFailure } from "../server/ContainerRuntime.ts"

const chunkSize = 64 * 1024
const newline = 10

/** The log of one rental: a file of events as they travel, so that a reader gets the bytes of the file as they are. */
export interface LogFile {
  /** Adds whole events. Those who follow wake up when they are on disk. */
  append(events: string): Effect.Effect<void, ContainerFailure>
  /** Says that nothing will come any more; those who follow end. */
  readonly end: Effect.Effect<void>
  /** Says that the log broke off; those who read it fail with this after the last event. */
  fail(failure: ContainerFailure): Effect.Effect<void>
  /** How many bytes it has. */
  size(): number
  /** The events so far, or the last ones alone, and with `follow` those to come. No chunk ends within an event. */
  read(options: { readonly follow: boolean; readonly tail: number | undefined }): Stream.Stream<
    Uint8Array,
    ContainerFailure
  >
}

/** Makes the file; closing the scope closes it. A reader that has begun may go on, even when the file was removed. */
export const open = Effect.fnUntraced(
  function*(path: string): Effect.fn.Return<LogFile, ContainerFailure, Scope.Scope> {
    const file = yield* opened(path, "ax")
    const writing = yield* Semaphore.make(1)
    const log: {
      size: number
      ended: boolean
      failure: ContainerFailure | undefined
      changed: Deferred.Deferred<void>
      /** The last events that were added, if they are few: those who follow closely get them without the disk. */
      newest: { readonly position: number; readonly bytes: Uint8Array }
    } = {
      size: 0,
      ended: false,
      failure: undefined,
      changed: yield* Deferred.make<void>(),
      newest: { position: -1, bytes: new Uint8Array() }
    }

    const wake = Effect.suspend(() => {
      const { changed } = log
      log.changed = Deferred.makeUnsafe()
      return Deferred.succeed(changed, undefined)
    })

    const read = (options: { readonly follow: boolean; readonly tail: number | undefined }) =>
      Stream.unwrap(Effect.gen(function*() {
        const reader = yield* opened(path, "r")
        const { size } = log
        const begin = options.tail === undefined ? 0 : yield* attempt(() => lastEvents(reader, size, options.tail ?? 0))
        const next = (
          position: number
        ): Effect.Effect<readonly [ReadonlyArray<Uint8Array>, Option.Option<number>], ContainerFailure> => {
          const end = options.follow ? log.size : size
          if (options.follow && position === log.newest.position) {
            return Effect.succeed([[log.newest.bytes], Option.some(position + log.newest.bytes.length)])
          }
          if (position < end) {
            return Effect.map(attempt(() => wholeEvents(reader, position, end)), (bytes) => [
              [bytes],
              Option.some(position + bytes.length)
            ])
          }
          if (log.failure !== undefined) return Effect.fail(log.failure)
          if (!options.follow || log.ended) return Effect.succeed([[], Option.none()])
          return Effect.flatMap(Deferred.await(log.changed), () => next(position))
        }
        return Stream.paginate(begin, next)
      }))

    return {
      append: (events) =>
        writing.withPermit(Effect.gen(function*() {
          const bytes = Buffer.from(events)
          yield* attempt(() => file.appendFile(bytes))
          if (bytes.length <= chunkSize) log.newest = { position: log.size, bytes }
          log.size += bytes.length
          yield* wake
        })),
      end: Effect.suspend(() => {
        log.ended = true
        return wake
      }),
      fail: (failure) =>
        Effect.suspend(() => {
          log.failure ??= failure
          return wake
        }),
      size: () => log.size,
      read
    }
  }
)

const opened = (path: string, flags: string) =>
  Effect.acquireRelease(
    attempt(() => FileSystem.open(path, flags, 0o600)),
    (file) => Effect.promise(() => file.close())
  )

const attempt = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new ContainerFailure({ message: `the log cannot be read or written: ${String(cause)}` })
  })

/** Reads from one place on, and leaves what is no whole event for the next time. */
const wholeEvents = async (file: FileSystem.FileHandle, position: number, end: number): Promise<Uint8Array> => {
  const buffer = Buffer.allocUnsafeSlow(Math.min(chunkSize, end - position))
  const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
  const whole = position + bytesRead === end ? bytesRead : buffer.lastIndexOf("\n\n", bytesRead - 2) + 2
  if (whole < 2) throw new Error("it ends within an event")
  return buffer.subarray(0, whole)
}

/** Where the last events begin: searched from the end, since an event has two newlines, both at its own end. */
const lastEvents = async (file: FileSystem.FileHandle, size: number, count: number): Promise<number> => {
  if (count === 0) return size
  const buffer = Buffer.allocUnsafeSlow(chunkSize)
  let newlines = 0
  for (let end = size; end > 0; end -= chunkSize) {
    const begin = Math.max(0, end - chunkSize)
    const { bytesRead } = await file.read(buffer, 0, end - begin, begin)
    let at = buffer.lastIndexOf(newline, bytesRead - 1)
    while (at !== -1) {
      newlines++
      if (newlines > count * 2) return begin + at + 1
      at = at === 0 ? -1 : buffer.lastIndexOf(newline, at - 1)
    }
  }
  return 0
}
