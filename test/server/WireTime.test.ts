import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as WireTime from "../../src/server/WireTime.ts"

/** The moment by the book, each with a date of its own. */
const plain = (nanoseconds: bigint) => {
  const milliseconds = Number(nanoseconds / 1_000_000n)
  const rest = String(nanoseconds % 1_000_000n).padStart(6, "0")
  return new Date(milliseconds).toISOString().replace("Z", `${rest}Z`)
}

/** Up to the end of the year 9999. */
const moment = fc.bigInt({ min: 0n, max: 253_402_300_799_999_999_999n })

describe("a moment on the wire", () => {
  it("has nine digits of a second, and a Z or an offset", () => {
    assert.strictEqual(WireTime.utc(1_758_369_600_000_000_001n), "2025-09-20T12:00:00.000000001Z")
    assert.strictEqual(WireTime.offset(1_758_369_600_120_000_000n), "2025-09-20T12:00:00.120000000+00:00")
  })

  it("is the same whatever was written before it", () => {
    fc.assert(
      fc.property(
        fc.array(moment, { minLength: 1 }),
        fc.bigInt({ min: 0n, max: 3_000_000_000n }),
        (moments, step) => {
          // Each again, and one that is near: often in the same second, sometimes in the next.
          for (const nanoseconds of moments.flatMap((one) => [one, one, one < step ? one : one - step])) {
            assert.strictEqual(WireTime.utc(nanoseconds), plain(nanoseconds))
            assert.strictEqual(WireTime.offset(nanoseconds), plain(nanoseconds).replace("Z", "+00:00"))
          }
        }
      )
    )
  })
})
