import { assert, describe, it } from "@effect/vitest"
import * as LogFormat from "../../src/server/LogFormat.ts"

const bytes = (text: string) => new TextEncoder().encode(text).length

describe("a log event", () => {
  it("has its keys in the order of the alphabet and no space that is not the message's", () => {
    assert.strictEqual(
      LogFormat.event("stderr", "2025-09-20T12:00:00.123456789Z", "a \"b\"\tc\u0007"),
      "data:{\"message\":\"a \\\"b\\\"\\tc\\u0007\",\"stream\":\"stderr\",\"timestamp\":\"2025-09-20T12:00:00.123456789Z\"}\n\n"
    )
  })
})

describe("a message", () => {
  it("loses the white space at its left and keeps that at its right", () => {
    assert.strictEqual(LogFormat.message(" \t indented \u00a0"), "indented \u00a0")
    assert.strictEqual(LogFormat.message("   "), "")
  })

  it("is whole up to 4096 bytes, and cut with a suffix from there on", () => {
    assert.strictEqual(LogFormat.message("a".repeat(4096)), "a".repeat(4096))
    assert.strictEqual(LogFormat.message("a".repeat(4097)), `${"a".repeat(4096)}... (truncated)`)
    assert.strictEqual(LogFormat.message(`  ${"a".repeat(4096)}`), "a".repeat(4096))
  })

  it("is cut before a character that stands on the edge", () => {
    for (const character of ["ü", "€", "😀"]) {
      for (let before = 0; before <= 4; before++) {
        const cut = LogFormat.message("a".repeat(before) + character.repeat(4096))
        const kept = cut.slice(0, -LogFormat.truncated.length)
        assert.match(kept, new RegExp(`^a{${before}}(?:${character})+$`, "u"))
        assert.isAtMost(bytes(kept), 4096)
        assert.isAbove(bytes(kept), 4096 - bytes(character))
      }
    }
  })

  it("counts bytes, not characters", () => {
    assert.strictEqual(LogFormat.message("€".repeat(1365)), "€".repeat(1365))
    assert.strictEqual(LogFormat.message("€".repeat(1366)), `${"€".repeat(1365)}... (truncated)`)
  })
})
