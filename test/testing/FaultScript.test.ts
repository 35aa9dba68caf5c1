import { assert, describe, it } from "@effect/vitest"
import { FaultScript } from "basilica-sdk/testing"

describe("a FaultScript", () => {
  it("refuses what no request can fit", () => {
    const fault = { after: "work", end: "reset" } as const
    for (const on of ["DELETE /rentals/{id}", "/rentals", "delete /rentals", "GET rentals", ""]) {
      assert.throws(() => new FaultScript([{ on, fault }]), TypeError, "the beginning of a path", on)
      assert.throws(() => new FaultScript().count(on), TypeError, "the beginning of a path", on)
    }
    for (const on of ["GET", "DELETE /rentals/", "POST /rentals", undefined]) {
      assert.lengthOf(new FaultScript([{ on, fault }]).requests, 0)
    }
  })
})
