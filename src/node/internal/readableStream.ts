import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/** What is used of a Node stream: this module stays free of Node's types. */
export interface Readable {
  readonly errored: unknown
  readonly readableEnded: boolean
  readonly destroyed: boolean
  read(): unknown
  destroy(): unknown
  on(event: string, listener: () => void): unknown
  off(event: string, listener: () => void): unknown
}

/**
 * The bytes of a body, pulled: nothing is read before it is asked for, and whoever stops reading closes the connection,
 * also while waiting for bytes that never come.
 */
export const readableStream = <E>(body: Readable, onError: (cause: unknown) => E): Stream.Stream<Uint8Array, E> =>
  Stream.unwrap(Effect.map(
    Effect.acquireRelease(Effect.succeed(body), (acquired) => Effect.sync(() => acquired.destroy())),
    (acquired) => Stream.fromPull(Effect.succeed(pull(acquired, onError)))
  ))

const pull = <E>(body: Readable, onError: (cause: unknown) => E): Pull.Pull<readonly [Uint8Array], E> =>
  Effect.callback<readonly [Uint8Array], E | Cause.Done>((resume) => {
    const read = () => {
      const chunk = body.read() as Uint8Array | null
      if (chunk !== null) return settle(Effect.succeed([chunk]))
      if (body.errored !== null) return settle(Effect.fail(onError(body.errored)))
      if (body.readableEnded) return settle(Cause.done())
      if (body.destroyed) return settle(Effect.fail(onError(new Error("The connection was closed"))))
    }
    const settle = (result: Pull.Pull<readonly [Uint8Array], E>) => {
      for (const event of events) body.off(event, read)
      resume(result)
    }
    for (const event of events) body.on(event, read)
    read()
    return Effect.sync(() => {
      for (const event of events) body.off(event, read)
    })
  })

const events = ["readable", "end", "error", "close"] as const
