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

/** Looks after all logs of a client: one timer for thousands of them, while there is one. */
export class Watch {
  readonly #bodies = new Set<WatchedBody>()
  #looking: Fiber.Fiber<void> | undefined
  #count = 0

  /** The next bytes of a body, which is watched until the scope closes. */
  over(
    source: ChunkSource<NetworkError>,
    clock: Clock.Clock,
    scope: Scope.Scope
  ): Effect.Effect<Effect.Effect<Chunks | "end" | Notice, NetworkError>> {
    return Effect.suspend(() => {
      const body = new WatchedBody(source, clock, silence + (this.#count++ * interval) % spread)
      this.#bodies.add(body)
      this.#looking ??= Effect.runForkWith(Context.make(Clock.Clock, clock))(this.#look(clock))
      return Effect.as(Scope.addFinalizer(scope, Effect.sync(() => this.#leave(body))), body.next)
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
      const before = clock.currentTimeMillisUnsafe()
      return Effect.map(Effect.sleep(interval), () => {
        const now = clock.currentTimeMillisUnsafe()
        // What was heard of since the machine woke is alive.
        const sleptSince = now - before > interval + nap ? before + interval : undefined
        for (const body of this.#bodies) body.look(now, sleptSince)
      })
    }))
  }
}

class WatchedBody {
  readonly #source: ChunkSource<NetworkError>
  readonly #clock: Clock.Clock
  readonly #silence: number
  #heardAt: number
  #slept = false
  /** The one who waits. */
  #resume: ((next: WatchedBody["next"]) => void) | undefined

  constructor(source: ChunkSource<NetworkError>, clock: Clock.Clock, silence: number) {
    this.#source = source
    this.#clock = clock
    this.#silence = silence
    this.#heardAt = clock.currentTimeMillisUnsafe()
  }

  /** Waiting can be given up and taken up again without losing any byte. */
  readonly next: Effect.Effect<Chunks | "end" | Notice, NetworkError> = Effect.suspend(() => this.#take() ?? this.#wait)

  // Made once for all lines: what is held while a body is waited for, and nothing more.
  readonly #wait: WatchedBody["next"] = Effect.callback((resume) => {
    // Once more: a fiber may give way to others before it comes here.
    const taken = this.#take()
    if (taken !== undefined) return resume(taken)
    this.#resume = resume
    this.#source.onReadable(this.#onReadable)
    // Another may wait by the time that one who gave it up is done with it.
    return Effect.sync(() => this.#resume === resume && this.#stop())
  })
  readonly #onReadable = (): void => this.#resume?.(this.next)

  #stop(): void {
    this.#resume = undefined
    this.#source.onReadable(undefined)
  }

  #take(): Exit.Exit<Chunks | "end" | Notice, NetworkError> | undefined {
    this.#resume = undefined
    if (this.#slept) return Exit.succeed("slept")
    const read = this.#source.read()
    if (read !== undefined) this.#heardAt = this.#clock.currentTimeMillisUnsafe()
    return read
  }

  /** Tells whoever waits what is to be noticed. `sleptSince`: the machine slept, and nothing was heard since then. */
  look(now: number, sleptSince: number | undefined): void {
    if (sleptSince !== undefined && this.#heardAt <= sleptSince) {
      this.#slept = true
      this.#tell("slept")
    } else if (this.#resume !== undefined && now - this.#heardAt >= this.#silence) {
      this.#heardAt = now
      this.#tell("silent")
    }
  }

  /** In a turn of its own: what it makes of it is not the watch's. */
  #tell(what: Notice): void {
    const resume = this.#resume
    queueMicrotask(() => {
      if (resume === undefined || this.#resume !== resume) return
      this.#stop()
      resume(Effect.succeed(what))
    })
  }
}
