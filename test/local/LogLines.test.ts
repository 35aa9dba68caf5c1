import { assert, describe, it } from "@effect/vitest"
import * as LogLines from "../../src/local/LogLines.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const events = (text: string) =>
  text.split("\n\n").filter((event) => event !== "").map((event) => JSON.parse(event.slice(5)))
const messages = (text: string) => events(text).map(({ message }) => message)

describe("lines of a stream", () => {
  it("are the same however the output is cut", () => {
    const output = encode("first\n\n  ünï€😀\r\nlast without an end")
    for (let cut = 0; cut <= output.length; cut++) {
      for (let second = cut; second <= output.length; second++) {
        const lines = LogLines.make("stdout", () => 0n)
        const text = lines.push(output.slice(0, cut)) + lines.push(output.slice(cut, second)) +
          lines.push(output.slice(second)) + lines.flush()
        assert.deepStrictEqual(messages(text), ["first", "", "ünï€😀", "last without an end"])
      }
    }
  })

  it("are there as soon as they end, and the open one only at the end", () => {
    const lines = LogLines.make("stdout", () => 0n)
    assert.deepStrictEqual(messages(lines.push(encode("one\ntwo"))), ["one"])
    assert.strictEqual(lines.push(encode("")), "")
    assert.deepStrictEqual(messages(lines.flush()), ["two"])
    assert.strictEqual(lines.flush(), "")
  })

  it("are cut like any other when they have no end, and the next one is whole", () => {
    const lines = LogLines.make("stdout", () => 0n)
    let text = lines.push(encode("   ".repeat(50_000)))
    for (let round = 0; round < 100; round++) text += lines.push(encode("x".repeat(10_000)))
    text += lines.push(encode("\nnext\n"))
    assert.deepStrictEqual(messages(text), [`${"x".repeat(4096)}... (truncated)`, "next"])
  })

  it("have times that grow by at least a nanosecond, even when the clock goes back", () => {
    const clock = [1_500_000_000n, 1_400_000_000n, 2_000_000_000n]
    const lines = LogLines.make("stderr", () => clock.shift() ?? 0n)
    const text = lines.push(encode("a\nb\n")) + lines.push(encode("c\n")) + lines.push(encode("d\n"))
    assert.deepStrictEqual(events(text).map(({ stream, timestamp }) => [stream, timestamp]), [
      ["stderr", "1970-01-01T00:00:01.500000000Z"],
      ["stderr", "1970-01-01T00:00:01.500000001Z"],
      ["stderr", "1970-01-01T00:00:01.500000002Z"],
      ["stderr", "1970-01-01T00:00:02.000000000Z"]
    ])
  })
})
