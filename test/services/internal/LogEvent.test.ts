import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { LogEvent, parseLine } from "../../../src/services/internal/LogEvent.ts"
import { holds, patience, seed, size } from "../../support/Scale.ts"

const quick = new LogEvent()
const slow = new LogEvent()

/** All that is asked for, the message last, since all is parsed for it: nobody wants the time of an error. */
const fieldsOf = (event: LogEvent) => {
  const { stream } = event
  const timestamp = stream === "error" ? "" : event.timestamp
  const { message } = event
  return [event.kind, stream, timestamp, message]
}

/** Reads with something around it, as it stands in the text of many events; and by its end as little as can be. */
const both = (data: string) => {
  const around = `data:{"message":"x","stream":"y","timestamp":"z"}\n\ndata:${data}\n\ndata:{}`
  const start = around.indexOf(data, 50)
  quick.read(around, start, start + data.length)
  // The service writes no space there, so all of it is parsed as JSON.
  slow.read(` ${data}`, 0, data.length + 1)
  return slow.kind !== "line"
    ? { quick: quick.kind, slow: slow.kind }
    : { quick: fieldsOf(quick), slow: fieldsOf(slow) }
}

/** What is read of a line that is wanted is what is read of any event. */
const assertWhole = (data: string) => {
  const { kind, message, stream, timestamp } = slow
  const line = parseLine(data)
  assert.deepStrictEqual(
    line && { message: line.message, stream: line.stream, timestamp: line.timestamp },
    kind === "line" && stream !== "error" ? { message, stream, timestamp } : undefined
  )
}

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(
    fc.constantFrom(
      "\"",
      "\\",
      "\\\"",
      "\",\"stream\":\"",
      "\",\"timestamp\":\"",
      "}",
      "{\"message\":\"",
      "a",
      "\n",
      "é"
    )
  )
    .map((parts) => parts.join(""))
)

describe("LogEvent", () => {
  it("finds stream and time at the end of what the service writes", () => {
    const data = `{"message":"say \\"hi\\" \\\\","stream":"stderr","timestamp":"2025-09-20T12:00:00Z"}`
    assert.deepStrictEqual(both(data).quick, ["line", "stderr", "2025-09-20T12:00:00Z", "say \"hi\" \\"])
  })

  it("reads a line that is not wanted at its end alone", () => {
    // No JSON: whoever parses it finds no line.
    const line = (stream: string, time: string) => `{"message":"a\tb","stream":"${stream}","timestamp":"${time}"}`
    const event = new LogEvent()
    for (const [stream, time] of [["stdout", "t"], ["stdout", "t"], ["stderr", "u"], ["stdout", "longer"]] as const) {
      const data = line(stream, time)
      event.read(`data:${data}\n\n`, 5, 5 + data.length)
      assert.deepStrictEqual([event.kind, event.stream, event.timestamp], ["line", stream, time])
    }
    assert.deepStrictEqual([event.message, event.kind], ["", "no object"])
  })

  it("takes nothing for a line whose keys are others", () => {
    const line = `{"message":"a","stream":"stdout","timestamp":"t"}`
    assert.deepStrictEqual(both(line).quick, ["line", "stdout", "t", "a"])
    for (const key of ["message", "stream", "timestamp"]) {
      const { quick, slow } = both(line.replace(key, key.toUpperCase()))
      assert.strictEqual(slow, "no text", key)
      assert.strictEqual(quick, slow, key)
    }
  })

  it(`reads the end of a line as JSON reads the whole, on any event (seed ${seed})`, () => {
    const event = fc.oneof(
      fc.record({ message: text, stream: text, timestamp: text }).map((fields) => JSON.stringify(fields)),
      fc.record({ timestamp: text, message: text, stream: text }).map((fields) =>
        JSON.stringify(fields, undefined, " ")
      ),
      fc.record({ message: text, stream: text, extra: fc.record({ stream: text, timestamp: text }), timestamp: text })
        .map((fields) => JSON.stringify(fields)),
      fc.record({ message: text, a: fc.record({ stream: text }), stream: text, timestamp: text, z: fc.anything() })
        .map((fields) => JSON.stringify(fields)),
      fc.record({ message: fc.anything(), stream: fc.anything(), timestamp: fc.anything() })
        .map((fields) => JSON.stringify(fields)),
      fc.record({ stream: text, timestamp: text }).map((fields) => JSON.stringify(fields)),
      fc.record({ message: fc.anything(), stream: fc.constant("error"), timestamp: text }).map((fields) =>
        JSON.stringify(fields)
      )
    )
    holds(event, size(10_000, 200_000), (data) => {
      const read = both(data)
      assert.deepStrictEqual(read.quick, read.slow)
      assertWhole(data)
    })
  }, patience)

  it(`takes nothing for a line whose shape only looks like one (seed ${seed})`, () => {
    const line = fc.record({ message: text, stream: text, timestamp: text }).map((fields) => JSON.stringify(fields))
    const broken = fc.tuple(line, fc.nat(), fc.constantFrom("\"", "\\", "}", ",", "{", "")).map(([data, at, put]) => {
      const place = at % data.length
      return data.slice(0, place) + put + data.slice(place + 1)
    })
    holds(broken, size(10_000, 200_000), (data) => {
      const { quick: one, slow: other } = both(data)
      // A line that is skipped is not checked for what JSON forbids inside its text: it was, when it was handed out.
      if (slow.kind === "line") assert.deepStrictEqual(one, other)
      assertWhole(data)
    })
  }, patience)
})
