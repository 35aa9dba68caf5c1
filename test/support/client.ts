import { Basilica, type TransportOptions } from "basilica-sdk"
import { Effect, Layer, Logger, Schedule } from "effect"

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

/** Runs an effect against a server of the test. */
export const against =
  (options: Basilica.BasilicaOptions, logs?: Array<string>) => <A, E>(effect: Effect.Effect<A, E, Basilica.Services>) =>
    Effect.provide(effect, basilica(options, logs))
