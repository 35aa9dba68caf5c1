import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { readTimes } from "../../src/services/internal/Jwt.ts"
import { holds, patience, seed, times } from "../support/Scale.ts"

const part = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")
const nothing = { issuedAtMillis: undefined, expiresAtMillis: undefined }

describe("the times of a token", () => {
  it("are read off a JWT", () => {
    assert.deepEqual(readTimes(`${part({})}.${part({ iat: 1, exp: 3601, name: "ü" })}.x`), {
      issuedAtMillis: 1000,
      expiresAtMillis: 3_601_000
    })
  })

  for (
    const token of [
      "",
      "basilica_abc",
      "a.b",
      "a.b.c.d",
      "..",
      `x.${part("[]")}.y`,
      `x.${part("null")}.y`,
      `x.${part("{")}.y`,
      `x.${part({ iat: "1", exp: null })}.y`,
      `x.${part({ iat: -1, exp: 1e300 })}.y`,
      `x.${part(`{"exp":1e999}`)}.y`,
      `x.${part({ exp: 1 })}=.y`,
      `x.${part("[".repeat(20_000))}.y`,
      `x.${part({ exp: 1, pad: "a".repeat(100_000) })}.y`
    ]
  ) it(`are unknown for ${token.slice(0, 40)}`, () => assert.deepEqual(readTimes(token), nothing))

  it(`never make it throw (seed ${seed})`, () => {
    const claims = fc.oneof(fc.string(), fc.json(), fc.json().map(part), fc.string().map(part))
    const token = fc.oneof(fc.string(), fc.tuple(fc.string(), claims, fc.string()).map((parts) => parts.join(".")))
    holds(token, times(100_000), (one) => {
      const { expiresAtMillis = 0, issuedAtMillis = 0 } = readTimes(one)
      assert.isTrue(Number.isFinite(expiresAtMillis) && Number.isFinite(issuedAtMillis))
    })
  }, patience)
})
