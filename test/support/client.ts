import { Basilica, type TransportOptions } from "basilica-sdk"
import { Clock, Effect, Layer, Logger, Schedule } from "effect"
import { onMachineTime } from "./MachineTime.ts"

/** Retries as often as the SDK's own schedule, without waiting. */
export const atOnce = Schedule.recurs(2) as Schedule.Schedule<unknown, never> as TransportOptions["retry"]

/** The services against a server of the test; `logs` collects what they log. */
export const basilica = (options: Basilica.BasilicaOptions, logs: Array<string> = []) =>
  Layer.provideMerge(
    Basilica.layer({ token: "secret-token-1", retry: atOnce, ...options }),
    Logger.layer([Logger.make(({ message }) => {
      logs.push(String(message))
    })])
  )

/** Runs an effect on the time of this process, unless the test has a time of its own. */
export const onItsTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Clock.Clock, (clock) => "adjust" in clock ? effect : onMachineTime(effect))

/** Runs an effect against a server of the test, where a deadline is as long on a machine that is busy. */
export const against =
  (options: Basilica.BasilicaOptions, logs?: Array<string>) => <A, E>(effect: Effect.Effect<A, E, Basilica.Services>) =>
    onItsTime(Effect.provide(effect, basilica(options, logs)))
