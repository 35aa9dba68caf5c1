// Which Basilica an example talks to: the one at BASILICA_API_URL, by default the real service, where BASILICA_API_TOKEN is
// set, and otherwise one that is started on this machine for the time of the example.
import { Basilica } from "basilica-sdk"
import { LocalBasilica } from "basilica-sdk/local"
import { Config, Effect, Layer, ManagedRuntime, Option, Redacted } from "effect"
import process from "node:process"

/** A Basilica to talk to. */
export interface Connection {
  /** What to give to `new BasilicaClient(...)`. Nothing for one that was there before: the client reads the environment. */
  readonly options: { readonly baseUrl?: string; readonly token?: string }
  /** Where the local one listens. Absent for one that was there before. */
  readonly localUrl: string | undefined
  /** How many processes the local one runs right now, of everybody. For one that was there before: 0. */
  running(): Promise<number>
  /** Ends the local one, and everything that still runs there. */
  close(): Promise<void>
}

/** For plain TypeScript. */
export const connect = async (): Promise<Connection> => {
  if (process.env["BASILICA_API_TOKEN"] !== undefined) {
    return { options: {}, localUrl: undefined, running: async () => 0, close: async () => {} }
  }
  const runtime = ManagedRuntime.make(LocalBasilica.layer())
  const { running, token, url } = await runtime.runPromise(LocalBasilica)
  return {
    options: { baseUrl: url, token: Redacted.value(token) },
    localUrl: url,
    running: async () => (await runtime.runPromise(running)).length,
    close: () => runtime.dispose()
  }
}

/** For Effect programs: every service of the SDK. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const account = yield* Config.option(Config.Redacted("BASILICA_API_TOKEN"))
  return Option.isSome(account) ? Basilica.layerConfig : layerLocal
}))

const layerLocal = Layer.unwrap(
  LocalBasilica.useSync(({ token, url }) => Basilica.layer({ baseUrl: url, token }))
).pipe(Layer.provide(LocalBasilica.layer()))
