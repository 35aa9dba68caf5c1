import { assert, it } from "@effect/vitest"
import { Deployments } from "basilica-sdk"
import { FaultScript, MemoryBasilica } from "basilica-sdk/testing"
import * as Effect from "effect/Effect"

it.effect("has one machine after a deploy whose reply was lost", () => {
  const faults = new FaultScript([{ on: "POST /rentals", times: 1, fault: { after: "work", end: "reset" } }])
  return Effect.gen(function*() {
    const deployments = yield* Deployments
    const { reconciled } = yield* deployments.deploy({ gpu: {}, image: "acme/train:1", noSsh: true })
    assert.isTrue(reconciled)
    assert.strictEqual(faults.count("POST /rentals"), 1)
    assert.lengthOf(yield* MemoryBasilica.use((memory) => memory.running), 1)
  }).pipe(Effect.provide(MemoryBasilica.layer({ faults })))
})
