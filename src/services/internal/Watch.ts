/**
 * Watches connections that may be silent for long, or dead without showing it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { NetworkError } from "../../errors/NetworkError.ts"
import type { Chunks, ChunkSource } from "../ChunkSource.ts"

/** How long a connection is silent before it is noticed, in milliseconds. */
const silence = 60_000
/** How often somebody looks. */
const interval = 20_000
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

  /** The next bytes of a body, which is watched until the scope closes. */
  over(
    source: ChunkSource<NetworkError>,
    clock: Clock.Clock,
    scope: Scope.Scope
  ): Effect.Effect<Effect.Effect<Chunks | "end" | Notice, NetworkError>> {
    return Effect.suspend(() => {
      const body = new WatchedBody(source, clock)
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
        const slept = now - before > interval + nap
        for (const body of this.#bodies) body.look(now, slept)
      })
    }))
  }
}

class WatchedBody {
  readonly #source: ChunkSource<NetworkError>
  readonly #clock: Clock.Clock
  #heardAt: number
  #slept = false
  #notice: ((what: Notice) => void) | undefined

  constructor(source: ChunkSource<NetworkError>, clock: Clock.Clock) {
    this.#source = source
    this.#clock = clock
    this.#heardAt = clock.currentTimeMillisUnsafe()
  }

  /** Waiting can be given up and taken up again without losing any byte. */
  readonly next: Effect.Effect<Chunks | "end" | Notice, NetworkError> = Effect.suspend(() => {
    this.#notice = undefined
    if (this.#slept) return Effect.succeed("slept")
    const read = this.#source.read()
    if (read === undefined) return this.#wait
    this.#heardAt = this.#clock.currentTimeMillisUnsafe()
    return read
  })

  get #wait(): Effect.Effect<Chunks | "end" | Notice, NetworkError> {
    return Effect.callback((resume) => {
      this.#notice = (what) => {
        this.#stop()
        resume(Effect.succeed(what))
      }
      this.#source.onReadable(() => resume(this.next))
      return Effect.sync(() => this.#stop())
    })
  }

  #stop(): void {
    this.#notice = undefined
    this.#source.onReadable(undefined)
  }

  /** Tells whoever waits what is to be noticed. */
  look(now: number, slept: boolean): void {
    this.#slept ||= slept
    if (slept) {
      this.#notice?.("slept")
    } else if (this.#notice !== undefined && now - this.#heardAt >= silence) {
      this.#heardAt = now
      this.#notice("silent")
    }
  }
}
