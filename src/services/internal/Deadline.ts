/**
 * One deadline over several calls: a method sets it, and each of its calls keeps within what is left.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** The deadline of the method that the current fiber runs. */
interface Deadline {
  /** In milliseconds since 1970, by the `Clock`. */
  readonly endsAt: number
  /** How long the whole was given, in milliseconds. */
  readonly totalMillis: number
}

/** The deadline that calls keep within; `undefined` where each has its own. */
const Deadline: Context.Reference<Deadline | undefined> = Context.Reference<Deadline | undefined>(
  "basilica-sdk/services/Deadline",
  { defaultValue: () => undefined }
)

/** Gives the calls of an effect one deadline together, unless there is a nearer one already. */
export const within = (
  duration: Duration.Input
): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =>
(effect) =>
  Effect.withFiber((fiber) => {
    const outer = fiber.getRef(Deadline)
    const totalMillis = Duration.toMillis(duration)
    const endsAt = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe() + totalMillis
    return outer !== undefined && outer.endsAt <= endsAt
      ? effect
      : Effect.provideService(effect, Deadline, { endsAt, totalMillis })
  })

/** What is left of the deadline of the current fiber, in milliseconds, at most `own`. */
export const left = (own: number): Effect.Effect<{ readonly millis: number; readonly totalMillis: number }> =>
  Effect.withFiber((fiber) => {
    const deadline = fiber.getRef(Deadline)
    if (deadline === undefined) return Effect.succeed({ millis: own, totalMillis: own })
    const rest = Math.max(0, deadline.endsAt - fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
    return Effect.succeed(
      rest < own ? { millis: rest, totalMillis: deadline.totalMillis } : { millis: own, totalMillis: own }
    )
  })

/** Runs an effect outside of the deadline of the current fiber. */
export const without = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Deadline, undefined)
