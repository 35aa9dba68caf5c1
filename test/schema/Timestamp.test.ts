import { assert, describe, it } from "@effect/vitest"
import { Timestamp } from "basilica-sdk"

describe("Timestamp", () => {
  it("keeps nanoseconds in both forms that the service writes", () => {
    assert.strictEqual(Timestamp.epochNanoseconds("2025-09-20T12:00:00.123456789Z"), 1758369600123456789n)
    assert.strictEqual(Timestamp.epochNanoseconds("2025-09-20T12:00:00.123456789+00:00"), 1758369600123456789n)
    assert.strictEqual(Timestamp.epochNanoseconds("2025-09-20T14:00:00.123456789+02:00"), 1758369600123456789n)
  })

  it("reads 0, 3, 6 and 9 digits of a second", () => {
    const second = 1758369600_000000000n
    for (
      const [text, nanos] of [["", 0n], [".5", 500000000n], [".123", 123000000n], [".123456", 123456000n]] as const
    ) {
      assert.strictEqual(Timestamp.epochNanoseconds(`2025-09-20T12:00:00${text}Z`), second + nanos)
    }
  })

  it("orders by time where the texts would not", () => {
    // As text, "." comes before "Z", so the later moment would come first.
    assert.isBelow(Timestamp.compare("2025-09-20T12:00:00Z", "2025-09-20T12:00:00.000000001Z"), 0)
    assert.isAbove(Timestamp.compare("2025-09-20T12:00:00.2Z", "2025-09-20T12:00:00.19Z"), 0)
    assert.strictEqual(Timestamp.compare("2025-09-20T12:00:00Z", "2025-09-20T14:00:00.000+02:00"), 0)
  })

  it("gives a Date to the millisecond, and nothing for what is not a time", () => {
    assert.strictEqual(Timestamp.toDate("2025-09-20T12:00:00.123456789Z")?.toISOString(), "2025-09-20T12:00:00.123Z")
    for (const text of ["", "yesterday", "2025-13-40T12:00:00Z", "2025-09-20 12:00:00"]) {
      assert.isUndefined(Timestamp.toDate(text))
    }
  })
})
