import { assert, describe, it } from "@effect/vitest"
import * as DeploymentStatus from "../../src/schema/DeploymentStatus.ts"

describe("DeploymentStatus", () => {
  it("reads the words of a list and of a single reply alike", () => {
    const cases = {
      Pending: ["Provisioning", "pending"],
      Running: ["Active", "active", "Restarting"],
      Stopped: ["Stopping", "Stopped", "terminated"],
      Failed: ["Failed", "failed"]
    }
    for (const [tag, words] of Object.entries(cases)) {
      for (const raw of words) {
        const status = DeploymentStatus.fromWire(raw)
        assert.strictEqual(status._tag, tag)
        assert.strictEqual(status.raw, raw)
      }
    }
  })

  it("keeps a word that it does not know", () => {
    assert.deepStrictEqual(DeploymentStatus.fromWire("Hibernating"), { _tag: "Unknown", raw: "Hibernating" })
    assert.deepStrictEqual(DeploymentStatus.fromWire("constructor"), { _tag: "Unknown", raw: "constructor" })
  })

  it("is final for what ended alone", () => {
    const final = ["pending", "active", "terminated", "failed", "new"].filter((raw) =>
      DeploymentStatus.isFinal(DeploymentStatus.fromWire(raw))
    )
    assert.deepStrictEqual(final, ["terminated", "failed"])
  })
})
