import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as BasilicaServer from "../../src/server/BasilicaServer.ts"
import {
  type Container,
  type ContainerFailure,
  ContainerRuntime,
  type ContainerSpec,
  type ContainerState
} from "../../src/server/ContainerRuntime.ts"
import * as LogFormat from "../../src/server/LogFormat.ts"
import { Tenants } from "../../src/server/Tenants.ts"
import { TokenSigner } from "../../src/server/TokenSigner.ts"

/** Made once: a key takes its time. */
export const signer = await Effect.runPromise(
  Effect.provide(TokenSigner, Layer.provide(TokenSigner.layerRsa, SecureRandom.layerWebCrypto))
)

/** What a test sets and sees of the containers. */
export interface Machine {
  readonly started: Array<ContainerSpec>
  state: Effect.Effect<ContainerState, ContainerFailure>
  stop: Effect.Effect<void, ContainerFailure>
  start: Effect.Effect<void, ContainerFailure>
  logs: Container["logs"]
}

export const machine = (): Machine => ({
  started: [],
  state: Effect.succeed("Active"),
  stop: Effect.void,
  start: Effect.void,
  logs: () => Effect.succeed(Stream.make(line("hello"), line("world")))
})

export const line = (message: string): Uint8Array =>
  new TextEncoder().encode(LogFormat.event("stdout", "2025-09-20T12:00:00.123456789Z", message))

export interface Reply {
  readonly status: number
  readonly type: string | null
  readonly headers: Headers
  readonly text: string
  // The tests say what they expect of it.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

export interface CallOptions {
  readonly body?: unknown
  readonly text?: string
  readonly headers?: Record<string, string>
  /** Default: that of the first tenant. `null` for none. */
  readonly token?: string | null
}

/** The server without a network, on the caller's clock, over containers that are nothing but what the test says. */
export const inMemory = Effect.fnUntraced(function*(
  containers: Machine,
  options: BasilicaServer.BasilicaServerOptions = {}
) {
  const runtime = ContainerRuntime.of({
    host: "84.200.81.243",
    start: (spec) =>
      Effect.as(Effect.tap(containers.start, () => Effect.sync(() => containers.started.push(spec))), {
        id: "9c1d".repeat(16),
        ports: spec.ports.map((port, index) => ({
          ...port,
          hostPort: port.hostPort === 0 ? 32776 + index : port.hostPort
        })),
        state: Effect.suspend(() => containers.state),
        stop: Effect.suspend(() => containers.stop),
        remove: Effect.void,
        logs: (asked) => containers.logs(asked)
      })
  })
  const context = yield* Layer.build(
    BasilicaServer.routes({ url: "http://basilica.test", ...options }).pipe(
      Layer.provideMerge(Layer.succeed(ContainerRuntime, runtime)),
      Layer.provideMerge(Layer.succeed(TokenSigner, signer)),
      Layer.provideMerge(SecureRandom.layerWebCrypto),
      Layer.provideMerge(HttpRouter.layer),
      Layer.provide(Layer.succeed(HttpRouter.RouterConfig, BasilicaServer.routerConfig))
    )
  )
  const { tenants } = yield* Effect.provide(Tenants, context)
  const [first] = tenants
  if (first === undefined) return yield* Effect.die("no tenant")
  const tokens = tenants.map(({ token }) => Redacted.value(token))
  const app = yield* Effect.provide(HttpRouter.HttpRouter, context)
  const handler = app.asHttpEffect()

  const call = Effect.fnUntraced(function*(method: string, path: string, given: CallOptions = {}) {
    const { body, headers, text, token = tokens[0] } = given
    const request = new Request(`http://basilica.test${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers
      },
      body: text ?? (body === undefined ? null : JSON.stringify(body))
    })
    const response = yield* Effect.provideService(
      handler,
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromWeb(request)
    )
    const web = HttpServerResponse.toWeb(response, { context: yield* Effect.context<never>() })
    const read = yield* Effect.promise(() => web.text())
    const type = web.headers.get("content-type")
    return {
      status: web.status,
      type,
      headers: web.headers,
      text: read,
      json: type === "application/json" ? JSON.parse(read) : undefined
    } satisfies Reply
  })
  /** A request of the sign-in service's own, whose form has the client's name unless it is said otherwise. */
  const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
    call("POST", path, {
      token: null,
      text: new URLSearchParams({ client_id: "CVwgCKL9MT5txAGRLCUQu89rvKXAwOVB", ...form }).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers }
    })
  return { call, post, tokens, first }
})

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@host"

/** The body of a good `POST /rentals`, with changes. */
export const rental = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  executor_selection: gpu(),
  container_image: "nvidia/cuda:12.2.0-base-ubuntu22.04",
  ssh_public_key: sshKey,
  ...changes
})

export const gpu = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  type: "gpu_requirements",
  gpu_requirements: { min_memory_gb: 0, gpu_type: "h100", gpu_count: 1, ...changes }
})

export const onExecutor = (id: string): Record<string, unknown> => ({ type: "executor_id", executor_id: id })
