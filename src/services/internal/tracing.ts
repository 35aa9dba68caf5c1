import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"

/** Whether somebody listens to spans: a tracer other than Effect's own, which keeps them for nobody. */
export const isTraced = (fiber: Pick<Fiber.Fiber<unknown, unknown>, "getRef">): boolean =>
  fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer

type Method = (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown, unknown>

/**
 * A public method: `Effect.fn`, whose span and frame of the stack are made where a tracer listens. They cost a third of
 * what this package adds to a request, and every error says without them which operation failed, on what.
 */
export const method = (name: string): Effect.fn.Traced =>
  ((body: never) => {
    const traced: Method = Effect.fn(name)(body)
    const untraced: Method = Effect.fnUntraced(body)
    return (...args: ReadonlyArray<unknown>) =>
      Effect.withFiber((fiber) => isTraced(fiber) ? traced(...args) : untraced(...args))
    // Both are made of the body, so the function has the type that either gives it.
  }) as Effect.fn.Traced

/** As {@link method}, for what takes no argument. */
export const value = (name: string) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => isTraced(fiber) ? Effect.withSpan(self, name) : self)

/** The public stream that is being begun: the outermost one, which is the one that somebody asked for. */
export const StreamName: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "basilica-sdk/services/StreamName",
  { defaultValue: () => undefined }
)

/** A public stream: its span is made where a tracer listens, since it is held for as long as the stream is read. */
export const stream =
  (name: string, attributes: { readonly [key: string]: unknown }) =>
  <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    Stream.fromChannel(Channel.fromTransform((upstream, scope) =>
      Effect.withFiber((fiber) => {
        const channel = isTraced(fiber) ? Channel.withSpan(self.channel, name, { attributes }) : self.channel
        const begun = Channel.toTransform(channel)(upstream, scope)
        return fiber.getRef(StreamName) === undefined ? Effect.provideService(begun, StreamName, name) : begun
      })
    ))
