/**
 * Reading and writing the token file: whole or not at all, and for its owner alone.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import * as NodeFiles from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import process from "node:process"
import { AuthenticationError } from "../../errors/AuthenticationError.ts"
import { jsonOf } from "../../schema/jsonOf.ts"
import { TokenStore } from "../../services/TokenStore.ts"
import { codeOf, holderOf, type LockTimes, withLock } from "./FileLock.ts"
import { replaceFile } from "./replaceFile.ts"

/** What the store does with files. */
export type Files = Pick<typeof NodeFiles, "chmod" | "lstat" | "mkdir" | "open" | "readdir" | "rename" | "unlink">

export interface TokenFileSettings {
  /** Whether the directory is there for this file alone, and is closed to others too. */
  readonly ownsDirectory: boolean
  readonly files?: Files
  readonly lock?: LockTimes
}

/** A renewal takes two requests of 15 seconds at most, and touches the lock meanwhile. */
const defaultTimes: LockTimes = { heartbeat: 500, stale: 10_000, dead: 1500, wait: 120_000 }

/** Larger is no token file. */
const maxBytes = 256 * 1024

/** How often, and after how many milliseconds, a file is read again that another program is just writing in place. */
const tornReads = { times: 10, millis: 25 }

const Printable = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/))
const decode = Schema.decodeUnknownOption(
  Schema.Struct({ access_token: Printable, refresh_token: Schema.optionalKey(Schema.NullOr(Printable)) })
)

/** What follows the name of the file in the names of those beside it that a killed program leaves. */
const leftover = /^(?:[0-9a-f]{16}\.tmp|lock\.(?:takeover\.)?[0-9a-f-]{36})$/

/** A file that must not be used, and why. */
class Unusable extends Error {
  readonly remedy: string

  constructor(reason: string, remedy = "Remove it and sign in again.") {
    super(reason)
    this.remedy = remedy
  }
}

export const makeTokenFile = (
  path: string,
  { files = NodeFiles, lock = defaultTimes, ownsDirectory }: TokenFileSettings
): TokenStore["Service"] => {
  const location = `the token file ${path}`
  const directory = dirname(path)
  const prefix = `${basename(path)}.`
  let unlockedWarned = false

  const attempt = <A>(doing: string, action: () => Promise<A>): Effect.Effect<A, AuthenticationError> =>
    Effect.tryPromise({
      try: action,
      catch: (error) =>
        new AuthenticationError({
          operation: "TokenFile",
          kind: "missing",
          reason: error instanceof Unusable
            ? `${location} ${error.message}`
            : `${location} could not be ${doing} (${codeOf(error)})`,
          remedy: error instanceof Unusable ? error.remedy : "Look at its permissions, and at the space on its disk."
        })
    })

  const locked = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | AuthenticationError, R> =>
    attempt("locked", () => makeDirectory(files, directory, ownsDirectory)).pipe(
      Effect.ignore,
      Effect.andThen(withLock(`${path}.lock`, lock)(Effect.exit(effect))),
      Effect.catch((problem) => {
        if (problem._tag === "LockBusy") {
          return Effect.fail(
            new AuthenticationError({
              operation: "TokenFile",
              kind: "unreachable",
              reason: `${location} is locked by ${holderOf(problem)} for more than ${lock.wait / 1000} s`,
              remedy: `Try again; if no such program runs, delete ${path}.lock.`
            })
          )
        }
        const warning =
          `${path}.lock cannot be made (${problem.code}): programs that share the token file may get in ` +
          "each other's way."
        const warned = unlockedWarned
        unlockedWarned = true
        return Effect.andThen(warned ? Effect.void : Effect.logWarning(warning), Effect.exit(effect))
      }),
      Effect.flatten
    )

  return TokenStore.of({
    location,
    locked,
    read: Effect.gen(function*() {
      for (let times = 0;; times++) {
        const found = yield* attempt("read", () => read(files, path))
        if (found === undefined) return undefined
        if (found.tightened !== undefined) {
          yield* Effect.logWarning(`${location} could be read by others (mode ${found.tightened}); ${found.outcome}`)
        }
        const tokens = parse(found.text)
        if (tokens !== undefined) return { ...tokens, keptAtMillis: found.keptAtMillis }
        // It was there, and was not whole: the official command line writes it in place.
        if (times === tornReads.times) return undefined
        yield* Effect.sleep(tornReads.millis)
      }
    }),
    write: ({ accessToken, refreshToken }) =>
      attempt("written", async () => {
        await makeDirectory(files, directory, ownsDirectory)
        const before = await read(files, path)
        const content = {
          ...object(before?.text),
          access_token: Redacted.value(accessToken),
          refresh_token: refreshToken === undefined ? undefined : Redacted.value(refreshToken)
        }
        for (const name of await files.readdir(directory)) {
          // A program was killed while it wrote, or took the lock over. Nobody else does either now.
          if (name.startsWith(prefix) && leftover.test(name.slice(prefix.length))) {
            await files.unlink(join(directory, name)).catch(() => undefined)
          }
        }
        const beside = `${path}.${randomBytes(8).toString("hex")}.tmp`
        await replaceFile(files, path, beside, `${JSON.stringify(content, null, 2)}\n`)
      }),
    remove: attempt("removed", async () => {
      await files.unlink(path).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw error
      })
    })
  })
}

interface Found {
  readonly text: string
  readonly keptAtMillis: number
  /** The mode that was too open, and what became of it. */
  readonly tightened: string | undefined
  readonly outcome: string
}

/** Reads the file without ever following a link, waiting for a pipe, or trusting what is another user's. */
const read = async (files: Files, path: string): Promise<Found | undefined> => {
  let handle: NodeFiles.FileHandle
  try {
    // Windows does not know the flags; there the look before has to do.
    if ((await files.lstat(path)).isSymbolicLink()) throw isLink()
    handle = await files.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined
    throw codeOf(error) === "ELOOP" ? isLink() : error
  }
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw new Unusable("is no file, and was not read")
    const user = process.getuid?.()
    if (user !== undefined && status.uid !== user) throw new Unusable("belongs to another user, and was not read")
    if (status.size > maxBytes) throw new Unusable("is far too large")
    const open = user !== undefined && (status.mode & 0o077) !== 0
    const closed = open && await handle.chmod(0o600).then(() => true, () => false)
    return {
      text: await handle.readFile("utf8"),
      keptAtMillis: status.mtimeMs,
      tightened: open ? (status.mode & 0o777).toString(8).padStart(4, "0") : undefined,
      outcome: closed ? "now they cannot." : "they still can, for its mode could not be changed."
    }
  } finally {
    await handle.close()
  }
}

const isLink = () =>
  new Unusable("is a symbolic link, and was not followed", "Put the file itself there, or sign in again.")

/** Makes the directory and those above it, for their owner alone under every umask. */
const makeDirectory = async (files: Files, directory: string, owns: boolean): Promise<void> => {
  try {
    const status = await files.lstat(directory)
    const mine = process.getuid === undefined || status.uid === process.getuid()
    if (owns && mine && status.isDirectory() && (status.mode & 0o077) !== 0) await files.chmod(directory, 0o700)
    return
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
  await makeDirectory(files, dirname(directory), false)
  try {
    await files.mkdir(directory, { mode: 0o700 })
    await files.chmod(directory, 0o700)
  } catch (error) {
    // Another program was quicker.
    if (codeOf(error) !== "EEXIST") throw error
  }
}

const parse = (text: string) => {
  const tokens = decode(object(text))
  if (tokens._tag === "None") return undefined
  const { access_token, refresh_token } = tokens.value
  return {
    accessToken: Redacted.make(access_token, { label: "token" }),
    refreshToken: typeof refresh_token === "string" ? Redacted.make(refresh_token, { label: "token" }) : undefined
  }
}

/** The object that a text is, or `undefined`. */
const object = (text = ""): object | undefined => {
  const value = jsonOf(text)
  return Predicate.isObject(value) ? value : undefined
}
