/** A local Basilica in a process of its own, which says where it is and, when it is asked, what it has used. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { memory } from "./Memory.ts"
import * as Sdk from "./Sdk.ts"

const { LocalBasilica } = await Sdk.localBasilica()
const program = Effect.gen(function*() {
  const { token, url } = yield* LocalBasilica
  process.on("message", async () => {
    const { system, user } = process.cpuUsage()
    process.send?.({ memory: await memory(), cpuMicros: system + user })
  })
  process.send?.({ url, token: Redacted.value(token) })
  return yield* Effect.callback<void>((resume) => {
    process.once("disconnect", () => resume(Effect.void))
  })
})
await Effect.runPromise(Effect.provide(program, LocalBasilica.layer()))
