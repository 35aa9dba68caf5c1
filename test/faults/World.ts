import { ApiKeys, Basilica, Deployments } from "basilica-sdk"
import { FaultyBasilica } from "basilica-sdk/local"
import { NodeHttpClient } from "basilica-sdk/node"
import { type FaultScript, MemoryBasilica, type MemoryServerOptions, type Program } from "basilica-sdk/testing"
import { Context, Effect, Layer, Logger } from "effect"
import { HttpClient } from "effect/http"
import { config, type Operation } from "./Operations.ts"

/** A program that prints something and runs on. */
export const program: Program = {
  lines: Array.from({ length: 5 }, (_, index) => ({ message: `line ${index}` }))
}

/** The real services over the service in memory, without any fault: for what is there before, and what is left behind. */
export const direct = (memory: MemoryBasilica["Service"]) =>
  Layer.provide(
    Basilica.layerHttpClient({ baseUrl: memory.url, token: memory.token }),
    Layer.succeed(HttpClient.HttpClient, memory.httpClient)
  )

/** A Basilica in memory, and a server on the loopback before it where things go wrong. */
export const world = Effect.fnUntraced(function*(faults: FaultScript, options: MemoryServerOptions = {}) {
  const memory = Context.get(
    yield* Layer.build(Layer.fresh(MemoryBasilica.layerServer({ program, ...options }))),
    MemoryBasilica
  )
  const front = Context.get(
    yield* Layer.build(Layer.fresh(Layer.provide(
      FaultyBasilica.layer({ service: memory.url, faults }),
      Layer.succeed(HttpClient.HttpClient, memory.httpClient)
    ))),
    FaultyBasilica
  )
  return { memory, front, faults }
})

/** What there is before an operation: the id of a deployment, where it needs one. */
export const before = Effect.fnUntraced(function*(memory: MemoryBasilica["Service"], operation: Operation) {
  const services = direct(memory)
  if (operation.needs === "a key") {
    yield* Effect.provide(ApiKeys.use((keys) => keys.create("kept")), services)
  }
  if (operation.needs !== "a deployment") return ""
  return (yield* Effect.provide(Deployments.use((all) => all.deploy(config)), services)).id
})

const part = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString("base64url")

/** An access token whose time is over, as anybody can read off it. */
export const expired = `${part({ alg: "none" })}.${part({ iat: 1, exp: 2 })}.x`

/** What an operation shows to the service at `url`. */
export const credentials = (
  operation: Operation,
  { signIn, tenants: [tenant], token }: MemoryBasilica["Service"],
  url: string
): Basilica.BasilicaOptions =>
  operation.needs === "a sign-in"
    ? { token: expired, refreshToken: tenant?.tokens.refreshToken, signIn: { ...signIn, domain: url } }
    : { token }

/** The services over the service in memory with its faults, as an operation needs them. */
export const inMemory = (
  memory: MemoryBasilica["Service"],
  operation: Operation,
  options: Basilica.BasilicaOptions = {}
) =>
  Layer.provide(
    Basilica.layerHttpClient({ baseUrl: memory.url, ...options, ...credentials(operation, memory, memory.url) }),
    Layer.succeed(HttpClient.HttpClient, memory.httpClient)
  )

/** The services over a real transport, in silence. */
export const client = (
  url: string,
  memory: Pick<MemoryBasilica["Service"], "token">,
  options: Basilica.BasilicaOptions = {},
  http: Parameters<typeof NodeHttpClient.layerOptions>[0] = {}
) =>
  Basilica.layerHttpClient({ baseUrl: url, token: memory.token, ...options }).pipe(
    Layer.provide(NodeHttpClient.layerOptions({ headersTimeout: 0, bodyTimeout: 0, ...http })),
    Layer.provideMerge(Logger.layer([]))
  )
