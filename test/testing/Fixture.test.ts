import { assert, describe, it } from "@effect/vitest"
import { Deployments, Executors, Timestamp } from "basilica-sdk"
import { Fixture, MemoryBasilica } from "basilica-sdk/testing"
import { Effect } from "effect"

describe("Fixture", () => {
  it.effect("has the fields that the services give", () =>
    Effect.gen(function*() {
      const { items: [executor] } = yield* Executors.use((_) => _.listAvailable())
      const deployment = yield* Deployments.use((_) =>
        _.deploy({ gpu: {}, image: "alpine", sshKey: "ssh-ed25519 AAAA" })
      )
      assert.hasAllKeys(Fixture.executor(), Object.keys(executor ?? {}))
      assert.hasAllKeys(Fixture.deployment(), Object.keys(deployment))
    }).pipe(Effect.provide(MemoryBasilica.layer())))

  it("takes what is given, and fills in the rest", () => {
    assert.deepStrictEqual(Fixture.logEntry({ message: "ready" }), {
      timestamp: "2025-09-20T12:00:00.123456789Z",
      stream: "stdout",
      message: "ready"
    })
    assert.strictEqual(Fixture.deployment({ id: "rental-1" }).id, "rental-1")
    assert.strictEqual(Fixture.apiKey({ name: "mine" }).name, "mine")
    assert.strictEqual(Fixture.healthStatus({ status: "tired" }).status, "tired")
    assert.deepStrictEqual(Fixture.listing([1, 2]), { items: [1, 2], invalid: [], totalCount: 2 })
  })

  it("has timestamps that can be read", () => {
    assert.isDefined(Timestamp.epochNanoseconds(Fixture.logEntry().timestamp))
    assert.isDefined(Timestamp.epochNanoseconds(Fixture.deployment().createdAt ?? ""))
  })
})
