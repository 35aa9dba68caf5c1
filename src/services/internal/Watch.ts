/**
 * Watches connections that may be silent for long, or dead without showing it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { NetworkError } from "../../errors/NetworkError.ts"
import type { Chunks, ChunkSource } from "../ChunkSource.ts"

/** How long a connection is silent before it is noticed, in milliseconds. */
const silence = 60_000
/** How often somebody looks. */
const interval = 1000
/** So much longer it is for some than for others, so that thousands of silent logs are not looked into at once. */
const spread = 20_000
/** How much later than it should a timer ends whose machine slept. */
const nap = 30_000

/**
 * What was noticed instead of bytes. After `"silent"`, nothing for a minute, the waiting can go on. `"slept"`: the clock
 * jumped, as it does when a machine sleeps; what was connected then is presumed dead.
 */
type Notice = "silent" | "slept"

type Next = Effect.Effect<Chunks | "end" | Notice, NetworkError>

/** A body that is watched. */
export interface Watched {
  /** The next bytes, or what was noticed instead of them. Waiting can be given up and taken up again without losing any. */
  readonly next: Next
  /** Waits until {@link next} has something, and takes nothing of it. */
  readonly ready: Effect.Effect<void>
}

/** Looks after all logs of a client: one timer for thousands of them, while there is one. */
export class Watch {
  readonly #bodies = new Set<WatchedBody>()
  #looking: Fiber.Fiber<void> | undefined
  #count = 0

  /** Watches a body until the scope closes. */
  over(source: ChunkSource<NetworkError>, clock: Clock.Clock, scope: Scope.Scope): Effect.Effect<Watched> {
    return Effect.suspend(() => {
      const body = new WatchedBody(source, clock, silence + (this.#count++ * interval) % spread)
      this.#bodies.add(body)
      this.#looking ??= Effect.runForkWith(Context.make(Clock.Clock, clock))(this.#look(clock))
      return Effect.as(Scope.addFinalizer(scope, Effect.sync(() => this.#leave(body))), body)
    })
  }

  #leave(body: WatchedBody): void {
    this.#bodies.delete(body)
    if (this.#bodies.size > 0) return
    this.#looking?.interruptUnsafe()
    this.#looking = undefined
  }

  #look(clock: Clock.Clock): Effect.Effect<void> {
    return Effect.forever(Effect.suspend(() => {
      const before = { wall: clock.currentTimeMillisUnsafe(), elapsed: elapsedMillis(clock) }
      return Effect.map(Effect.sleep(interval), () => {
        const now = { wall: clock.currentTimeMillisUnsafe(), elapsed: elapsedMillis(clock) }
        // What was heard of since the machine woke is alive.
        const sleptSince = now.wall - before.wall > interval + nap ? before.wall + interval : undefined
        for (const body of this.#bodies) body.look(before.elapsed, now, sleptSince)
      })
    }))
  }
}

/** What only goes on, however the time of the machine is set: for how long something lasts, in milliseconds. */
export const elapsedMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

class WatchedBody implements Watched {
  readonly #source: ChunkSource<NetworkError>
  readonly #clock: Clock.Clock
  readonly #silence: number
  /** By the time of the machine, which jumps where that slept. */
  #heardAt: number
  /** Since when somebody waits and nothing comes, by {@link elapsedMillis}; unset until the next look. */
  #silentSince: number | undefined
  #slept = false
  /** What came and was not taken yet. */
  #held: Exit.Exit<Chunks | "end" | Notice, NetworkError> | undefined
  /** The one who waits. */
  #resume: ((next: Next) => void) | undefined

  constructor(source: ChunkSource<NetworkError>, clock: Clock.Clock, silence: number) {
    this.#source = source
    this.#clock = clock
    this.#silence = silence
    this.#heardAt = clock.currentTimeMillisUnsafe()
  }

  readonly next: Next = Effect.suspend(() => this.#take() ?? this.#wait)

  // Made once for all lines: what is held while a body is waited for, and nothing more.
  readonly #wait: Next = Effect.callback((resume) => {
    // Once more: a fiber may give way to others before it comes here.
    const taken = this.#take()
    if (taken !== undefined) return resume(taken)
    return this.#listen(resume)
  })
  readonly #onReadable = (): void => this.#resume?.(this.next)

  get ready(): Effect.Effect<void> {
    const ready: Effect.Effect<void> = Effect.suspend(() => {
      if (this.#hold()) return Effect.void
      return Effect.callback((resume) => this.#hold() ? resume(Effect.void) : this.#listen(() => resume(ready)))
    })
    return ready
  }

  #hold(): boolean {
    this.#held = this.#take()
    return this.#held !== undefined
  }

  #listen(resume: (next: Next) => void): Effect.Effect<unknown> {
    this.#resume = resume
    this.#source.onReadable(this.#onReadable)
    // Another may wait by the time that one who gave it up is done with it.
    return Effect.sync(() => this.#resume === resume && this.#stop())
  }

  #stop(): void {
    this.#resume = undefined
    this.#source.onReadable(undefined)
  }

  #take(): Exit.Exit<Chunks | "end" | Notice, NetworkError> | undefined {
    this.#resume = undefined
    if (this.#held !== undefined) {
      const held = this.#held
      this.#held = undefined
      return held
    }
    if (this.#slept) {
      this.#slept = false
      return Exit.succeed("slept")
    }
    const read = this.#source.read()
    if (read !== undefined) {
      this.#heardAt = this.#clock.currentTimeMillisUnsafe()
      this.#silentSince = undefined
    }
    return read
  }

  /**
   * Tells whoever waits what is to be noticed. `before`: when somebody looked last. `sleptSince`: the machine slept, and
   * nothing was heard since then.
   */
  look(before: number, now: { readonly wall: number; readonly elapsed: number }, sleptSince: number | undefined): void {
    // Where the time of the machine was set back.
    if (this.#heardAt > now.wall) this.#heardAt = now.wall
    if (sleptSince !== undefined && this.#heardAt <= sleptSince) {
      this.#slept = true
      this.#tell(this.next)
    } else if (this.#resume === undefined) {
      // A reader that is slow hears nothing either.
      this.#silentSince = undefined
    } else {
      this.#silentSince ??= before
      if (now.elapsed - this.#silentSince < this.#silence) return
      this.#silentSince = now.elapsed
      this.#tell(silent)
    }
  }

  /** In a turn of its own: what it makes of it is not the watch's. */
  #tell(what: Next): void {
    const resume = this.#resume
    queueMicrotask(() => {
      if (resume === undefined || this.#resume !== resume) return
      this.#stop()
      resume(what)
    })
  }
}

const silent = Effect.succeed("silent" as const)
