import { assert, describe, it } from "@effect/vitest"
import { countryCode } from "../../src/server/CountryCode.ts"

describe("countryCode", () => {
  const known = {
    Germany: "DE",
    "united kingdom": "GB",
    uk: "GB",
    England: "GB",
    "Great Britain": "GB",
    USA: "US",
    America: "US",
    UAE: "AE",
    Holland: "NL",
    Burma: "MM",
    Czechia: "CZ",
    Swaziland: "SZ",
    Macedonia: "MK",
    "Korea, South": "KR",
    Russia: "RU",
    France: "FR",
    us: "US"
  }
  for (const [name, code] of Object.entries(known)) {
    it(`reads ${name} as ${code}`, () => {
      assert.strictEqual(countryCode(name), code)
    })
  }

  it("upper-cases what it does not know", () => {
    assert.strictEqual(countryCode("xx-unknown"), "XX-UNKNOWN")
  })
})
