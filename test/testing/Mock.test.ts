import { assert, describe, it } from "@effect/vitest"
import { ApiKeys, Auth, Deployments, Executors, Health, LogStream, Transport } from "basilica-sdk"
import { Fixture, Mock } from "basilica-sdk/testing"
import { Cause, Effect, Exit, Layer, Redacted, Result, Stream } from "effect"

const config = { gpu: {}, image: "alpine", noSsh: true }
const call = { operation: "Test", method: "GET" as const, path: ["health"], decode: () => Result.succeed("read") }

/** Each member of each service, used on a mock to which nothing was given. */
const uses: Record<string, Effect.Effect<unknown, unknown>> = {
  "Mock.deployments({ deploy": Deployments.use((_) => _.deploy(config)).pipe(Effect.provide(Mock.deployments({}))),
  "Mock.deployments({ get": Deployments.use((_) => _.get("a")).pipe(Effect.provide(Mock.deployments({}))),
  "Mock.deployments({ list": Deployments.use((_) => _.list()).pipe(Effect.provide(Mock.deployments({}))),
  "Mock.deployments({ status": Deployments.use((_) => _.status("a")).pipe(Effect.provide(Mock.deployments({}))),
  "Mock.deployments({ stop": Deployments.use((_) => _.stop("a")).pipe(Effect.provide(Mock.deployments({}))),
  "Mock.deployments({ logs": Deployments.use((_) => Stream.runDrain(_.logs("a"))).pipe(
    Effect.provide(Mock.deployments({}))
  ),
  "Mock.deployments({ watch": Deployments.use((_) => Stream.runDrain(_.watch("a"))).pipe(
    Effect.provide(Mock.deployments({}))
  ),
  "Mock.deployments({ waitUntilRunning": Deployments.use((_) => _.waitUntilRunning("a")).pipe(
    Effect.provide(Mock.deployments({}))
  ),
  "Mock.deployments({ scoped": Deployments.use((_) => Effect.scoped(_.scoped(config))).pipe(
    Effect.provide(Mock.deployments({}))
  ),
  "Mock.executors({ listAvailable": Executors.use((_) => _.listAvailable()).pipe(Effect.provide(Mock.executors({}))),
  "Mock.executors({ get": Executors.use((_) => _.get("a")).pipe(Effect.provide(Mock.executors({}))),
  "Mock.logStream({ follow": LogStream.use((_) => Stream.runDrain(_.follow("a"))).pipe(
    Effect.provide(Mock.logStream({}))
  ),
  "Mock.apiKeys({ create": ApiKeys.use((_) => _.create("a")).pipe(Effect.provide(Mock.apiKeys({}))),
  "Mock.apiKeys({ list": ApiKeys.use((_) => _.list).pipe(Effect.provide(Mock.apiKeys({}))),
  "Mock.apiKeys({ revoke": ApiKeys.use((_) => _.revoke("a")).pipe(Effect.provide(Mock.apiKeys({}))),
  "Mock.health({ check": Health.use((_) => _.check).pipe(Effect.provide(Mock.health({}))),
  "Mock.auth({ token": Auth.use((_) => _.token).pipe(Effect.provide(Mock.auth({}))),
  "Mock.auth({ invalidate": Auth.use((_) => _.invalidate(Redacted.make("t"))).pipe(Effect.provide(Mock.auth({}))),
  "Mock.transport({ request": Transport.use((_) => _.request(call)).pipe(Effect.provide(Mock.transport({}))),
  "Mock.transport({ requestPublic": Transport.use((_) => _.requestPublic(call)).pipe(
    Effect.provide(Mock.transport({}))
  ),
  "Mock.transport({ open": Transport.use((_) => Effect.scoped(_.open(call))).pipe(Effect.provide(Mock.transport({}))),
  "Mock.transport({ client": Transport.use((_) => _.client.get("https://x.test")).pipe(
    Effect.provide(Mock.transport({}))
  )
}

describe("Mock", () => {
  for (const [wanted, use] of Object.entries(uses)) {
    it.effect(`ends with a defect that asks for ${wanted} })`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(use)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), `Give it one: ${wanted}: `)
      }))
  }

  it.effect("says in words which service and which member, and what to pass", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Deployments.use((_) => _.stop("rental-1")))
      assert.strictEqual(
        String(Exit.isFailure(exit) && Cause.squash(exit.cause)),
        "Error: Deployments.stop was used, and this mock has none. " +
          "Give it one: Mock.deployments({ stop: () => Effect.void })"
      )
    }).pipe(Effect.provide(Mock.deployments({ deploy: () => Effect.succeed(Fixture.deployment()) }))))

  it.effect("has what is given", () =>
    Effect.gen(function*() {
      const deployments = yield* Deployments
      assert.strictEqual((yield* deployments.deploy(config)).image, "alpine")
      assert.deepStrictEqual(yield* Stream.runCollect(deployments.logs("a")), [Fixture.logEntry({ message: "ready" })])
      assert.deepStrictEqual((yield* Executors.use((_) => _.listAvailable())).items, [Fixture.executor({ id: "one" })])
      assert.strictEqual(yield* Transport.use((_) => _.requestPublic(call)), "read")
    }).pipe(Effect.provide([
      Mock.deployments({
        deploy: ({ image }) => Effect.succeed(Fixture.deployment({ image })),
        logs: () => Stream.make(Fixture.logEntry({ message: "ready" }))
      }),
      Mock.executors({ listAvailable: () => Effect.succeed(Fixture.listing([Fixture.executor({ id: "one" })])) }),
      Mock.transport({ requestPublic: ({ decode }) => Effect.orDie(Effect.fromResult(decode(undefined))) })
    ])))

  it.effect("of the transport carries the real services", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Health.use((_) => _.check)).status, "healthy")
    }).pipe(Effect.provide(Layer.provide(
      Health.layer,
      Mock.transport({
        requestPublic: ({ decode }) =>
          Effect.orDie(Effect.fromResult(decode({
            status: "healthy",
            version: "0.1.0",
            timestamp: "2025-09-20T12:00:00Z",
            healthy_validators: 1,
            total_validators: 1
          })))
      })
    ))))
})
