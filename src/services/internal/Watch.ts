/**
 * Watches a connection that may be silent for long, or dead without showing it.
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type { NetworkError } from "../../errors/NetworkError.ts"

/** The bytes of a body. */
export type BodyPull = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, NetworkError>

/**
 * The next bytes, or what was noticed instead of them. After `"silent"`, nothing for a minute, the waiting can go
 * on. `"slept"`: the clock jumped, as it does when a machine sleeps; what was connected then is presumed dead.
 */
export interface Watched {
  readonly next: Effect.Effect<Arr.NonEmptyReadonlyArray<Uint8Array> | "end" | "silent" | "slept", NetworkError>
}

/** How long a connection is silent before it is noticed, in milliseconds. */
const silence = 60_000
/** How often somebody looks. */
const interval = 20_000
/** How much later than it should a timer ends whose machine slept. */
const nap = 30_000

/** Bytes that come at once or not at all. */
export const unwatched = (pull: BodyPull): Watched => ({ next: orEnd(pull) })

/**
 * Watches the bytes until the scope closes. Waiting can be given up and taken up again without losing any: the pull goes
 * on by itself, in the scope, and one at a time.
 */
export const watched = Effect.fnUntraced(function*(pull: BodyPull, scope: Scope.Scope) {
  const clock = yield* Clock.Clock
  const bytes = orEnd(pull)
  let pulling: Fiber.Fiber<Bytes, NetworkError> | undefined
  let heardAt = clock.currentTimeMillisUnsafe()
  let slept = false
  let notice: ((what: "silent" | "slept") => void) | undefined

  const wait = (fiber: Fiber.Fiber<Bytes, NetworkError>) =>
    Effect.callback<Bytes | "silent" | "slept", NetworkError>((resume) => {
      notice = (what) => {
        notice = undefined
        resume(Effect.succeed(what))
      }
      const forget = fiber.addObserver((exit) => {
        notice = undefined
        pulling = undefined
        heardAt = clock.currentTimeMillisUnsafe()
        resume(exit)
      })
      return Effect.sync(() => {
        notice = undefined
        forget()
      })
    })

  yield* Effect.gen(function*() {
    while (!slept) {
      const before = clock.currentTimeMillisUnsafe()
      yield* Effect.sleep(interval)
      const now = clock.currentTimeMillisUnsafe()
      slept = now - before > interval + nap
      if (slept) {
        notice?.("slept")
      } else if (notice !== undefined && now - heardAt >= silence) {
        heardAt = now
        notice("silent")
      }
    }
  }).pipe(Effect.forkIn(scope, { startImmediately: true }))

  return {
    next: Effect.suspend(() => {
      if (slept) return Effect.succeed("slept" as const)
      if (pulling !== undefined) return wait(pulling)
      return Effect.flatMap(Effect.forkIn(bytes, scope, { startImmediately: true }), (fiber) => {
        pulling = fiber
        return wait(fiber)
      })
    })
  } satisfies Watched
})

type Bytes = Arr.NonEmptyReadonlyArray<Uint8Array> | "end"

const orEnd = (pull: BodyPull): Effect.Effect<Bytes, NetworkError> => Pull.catchDone(pull, () => Effect.succeed("end"))
