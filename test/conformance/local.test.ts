import { it } from "@effect/vitest"
import { Basilica } from "basilica-sdk"
import { LocalBasilica } from "basilica-sdk/local"
import { Effect, Layer } from "effect"
import { fileURLToPath } from "node:url"
import { conformance, Ground } from "./suite.ts"

const services = Layer.unwrap(
  LocalBasilica.use(({ token, url }) =>
    Effect.succeed(Basilica.layer({ baseUrl: url, token, deployTimeout: "4 seconds" }))
  )
)

const ground = Layer.effect(
  Ground,
  LocalBasilica.use(({ running, tenants, url }) =>
    Effect.map(Effect.fromNullishOr(tenants[1]), (other) => ({
      as: (token) => Basilica.layer({ baseUrl: url, token }),
      otherToken: other.token,
      running: Effect.map(running, (rentals) => rentals.length)
    }))
  )
)

const program = fileURLToPath(new URL("program.mjs", import.meta.url))

conformance({
  name: "LocalBasilica",
  it: (title, body) =>
    it.live(
      title,
      () =>
        Effect.provide(Effect.scoped(body), Layer.provideMerge(Layer.merge(services, ground), LocalBasilica.layer())),
      20_000
    ),
  script: (script) => ({
    command: [process.execPath, program, Buffer.from(JSON.stringify(script)).toString("base64url")]
  })
})
