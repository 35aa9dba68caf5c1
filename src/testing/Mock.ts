/**
 * A layer for each service that has what you give it, and nothing else: what is used and was not given ends the test with
 * a defect that names it. For a whole Basilica that behaves, see `MemoryBasilica`.
 *
 * @example
 * ```ts
 * import { Deployments } from "basilica-sdk"
 * import { Fixture, Mock } from "basilica-sdk/testing"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const layer = Mock.deployments({
 *   deploy: ({ image }) => Effect.succeed(Fixture.deployment({ image })),
 *   logs: () => Stream.make(Fixture.logEntry({ message: "ready" })),
 *   stop: () => Effect.void
 * })
 * const program = Deployments.use((deployments) => deployments.deploy({ gpu: {}, image: "alpine", noSsh: true }))
 * Effect.runPromise(Effect.provide(program, layer))
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { AuthenticationError } from "../errors/AuthenticationError.ts"
import { ApiKeys } from "../services/ApiKeys.ts"
import { Auth } from "../services/Auth.ts"
import { Deployments } from "../services/Deployments.ts"
import { Executors } from "../services/Executors.ts"
import { Health } from "../services/Health.ts"
import { LogStream } from "../services/LogStream.ts"
import { Transport } from "../services/Transport.ts"

/** `Deployments` with the members that are given. */
export const deployments = (given: Partial<Deployments["Service"]>): Layer.Layer<Deployments> => {
  const absent = absentFrom("Deployments", "deployments")
  const one = "() => Effect.succeed(Fixture.deployment())"
  return Layer.succeed(Deployments, {
    deploy: () => absent("deploy", one),
    get: () => absent("get", one),
    list: () => absent("list", "() => Effect.succeed(Fixture.listing([Fixture.deployment()]))"),
    status: () => absent("status", "() => Effect.succeed({ _tag: \"Running\", raw: \"active\" })"),
    stop: () => absent("stop", "() => Effect.void"),
    logs: () => Stream.fromEffect(absent("logs", "() => Stream.make(Fixture.logEntry())")),
    watch: () => Stream.fromEffect(absent("watch", "() => Stream.make({ _tag: \"Running\", raw: \"active\" })")),
    waitUntilRunning: () => absent("waitUntilRunning", one),
    scoped: () => absent("scoped", one),
    reconcile: () => absent("reconcile", "() => Effect.succeed([])"),
    ...given
  })
}

/** `Executors` with the members that are given. */
export const executors = (given: Partial<Executors["Service"]>): Layer.Layer<Executors> => {
  const absent = absentFrom("Executors", "executors")
  return Layer.succeed(Executors, {
    listAvailable: () => absent("listAvailable", "() => Effect.succeed(Fixture.listing([Fixture.executor()]))"),
    get: () => absent("get", "() => Effect.succeed(Fixture.executor())"),
    ...given
  })
}

/** `LogStream` with the members that are given. `Deployments.logs` of a mock does not use it. */
export const logStream = (given: Partial<LogStream["Service"]>): Layer.Layer<LogStream> => {
  const absent = absentFrom("LogStream", "logStream")
  return Layer.succeed(LogStream, {
    follow: () => Stream.fromEffect(absent("follow", "() => Stream.make(Fixture.logEntry())")),
    ...given
  })
}

/** `ApiKeys` with the members that are given. */
export const apiKeys = (given: Partial<ApiKeys["Service"]>): Layer.Layer<ApiKeys> => {
  const absent = absentFrom("ApiKeys", "apiKeys")
  return Layer.succeed(ApiKeys, {
    create: () =>
      absent("create", "() => Effect.succeed({ ...Fixture.apiKey(), token: Redacted.make(\"basilica_...\") })"),
    list: absent("list", "Effect.succeed(Fixture.listing([Fixture.apiKey()]))"),
    revoke: () => absent("revoke", "() => Effect.void"),
    ...given
  })
}

/** `Health` with the members that are given. */
export const health = (given: Partial<Health["Service"]>): Layer.Layer<Health> => {
  const absent = absentFrom("Health", "health")
  return Layer.succeed(Health, {
    check: absent("check", "Effect.succeed(Fixture.healthStatus())"),
    ...given
  })
}

/** `Auth` with the members that are given. For a token that is simply there, use `Auth.layerToken`. */
export const auth = (given: Partial<Auth["Service"]>): Layer.Layer<Auth> => {
  const absent = absentFrom("Auth", "auth")
  return Layer.succeed(Auth, {
    token: absent("token", "Effect.succeed(Redacted.make(\"basilica_...\"))"),
    invalidate: () => absent("invalidate", "() => Effect.void"),
    ...given
  })
}

/** `Transport` with the members that are given: what is below the services. */
export const transport = (given: Partial<Transport["Service"]>): Layer.Layer<Transport> => {
  const absent = absentFrom("Transport", "transport")
  return Layer.succeed(Transport, {
    request: () => absent("request", "(call) => Effect.fromResult(call.decode({ ... }))"),
    requestPublic: () => absent("requestPublic", "(call) => Effect.fromResult(call.decode({ ... }))"),
    open: () =>
      absent(
        "open",
        "() => Effect.succeed({ status: 200, contentType: \"text/event-stream\", showable: (words) => words, body: Stream.empty })"
      ),
    identity: Effect.succeed({ service: "https://api.basilica.ai" }),
    timeout: Duration.seconds(60),
    client: HttpClient.makeWith<never, never, HttpClientError.HttpClientError | AuthenticationError, never>(
      () => absent("client", "HttpClient.make((request) => ...)"),
      Effect.succeed
    ),
    ...given
  })
}

const absentFrom = (service: string, mock: string) => (member: string, example: string): Effect.Effect<never> =>
  Effect.suspend(() =>
    Effect.die(
      new Error(
        `${service}.${member} was used, and this mock has none. Give it one: Mock.${mock}({ ${member}: ${example} })`
      )
    )
  )
