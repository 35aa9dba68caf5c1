import { assert, describe, it } from "@effect/vitest"
import { EventReader, maxEventBytes } from "../../../src/services/internal/EventReader.ts"
import { collect, worked } from "../../support/MachineTime.ts"
import { type Chance, chanceOf, patience, replay, size } from "../../support/Scale.ts"

const encoder = new TextEncoder()

/** What a reader makes of bytes in pieces: the data of events, the times to wait, and whether an event has no end. */
const readAll = (chunks: Iterable<Uint8Array>) => {
  const seen: Array<string | number> = []
  let finished = false
  const reader = new EventReader({
    // An event comes with the byte that completes it, so none is left for the end.
    onData: (text, start, end) => seen.push(finished ? "late" : text.slice(start, end)),
    onRetry: (millis) => seen.push(millis)
  })
  let whole = true
  for (const chunk of chunks) whole &&= reader.feed(chunk)
  finished = true
  return { seen, whole, unfinished: reader.finish() }
}

/** The standard to the letter, for a whole body at once (WHATWG 9.2.6). */
const standard = (bytes: Uint8Array) => {
  const seen: Array<string | number> = []
  const lines = new TextDecoder().decode(bytes).split(/\r\n|\n|\r/)
  // What is behind the last line end is no line.
  const rest = lines.pop()
  const event = lines.slice(lines.lastIndexOf("") + 1)
  const unfinished = rest !== "" || event.some((line) => !line.startsWith(":"))
  let data = ""
  for (const line of lines) {
    if (line === "") {
      if (data !== "") seen.push(data.slice(0, -1))
      data = ""
      continue
    }
    const at = line.indexOf(":")
    const field = at === -1 ? line : line.slice(0, at)
    const value = at === -1 ? "" : line.slice(at + 1).replace(/^ /, "")
    if (field === "data") data += `${value}\n`
    else if (field === "retry" && /^[0-9]+$/.test(value)) seen.push(Number.parseInt(value, 10))
  }
  return { seen, whole: true, unfinished }
}

function* cutAt(bytes: Uint8Array, ...at: ReadonlyArray<number>) {
  let begin = 0
  for (const end of [...at, bytes.length]) {
    yield bytes.subarray(begin, end)
    begin = end
  }
}

const byNumber = (left: number, right: number): number => left - right

/** What a stream is made of: line ends and fields most of all. */
const pieces = [
  ...["\n", "\r", "\r\n", "\n\n", "data:", "data: ", "data", ":", " ", "id:1", "event:x"].flatMap((one) => [one, one]),
  "data:{\"a\":1}\n\n",
  "data: {\"b\":\"😀\"}\n\n",
  "retry:10\n",
  "\ufeff",
  ":comment",
  "é",
  "\0",
  "\u2028"
].map((piece) => encoder.encode(piece))

/** Any stream: pieces, and bytes that may be no text. */
const anyBody = (random: Chance): Uint8Array =>
  Buffer.concat(Array.from({ length: random.below(30) }, () =>
    random.below(8) > 0
      ? pieces[random.below(pieces.length)] ?? new Uint8Array()
      : Uint8Array.from({ length: random.below(5) }, () => random.below(256))))

const cases: ReadonlyArray<readonly [name: string, body: string, seen: ReadonlyArray<string | number>]> = [
  ["nothing", "", []],
  ["a comment alone", ":c\n", []],
  ["an event that has no end", "data:1\n\ndata:2\n", ["1"]],
  ["the service's own form", "data:{\"a\":1}\n\ndata:{\"b\":2}\n\n", ["{\"a\":1}", "{\"b\":2}"]],
  ["format-bom", "\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3\n\n", ["1", "3"]],
  ["format-bom-2", "\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"]],
  ["a mark that is none", "data:1\n\n\ufeffdata:2\n\n\ufeff:c\ndata:3\n\n", ["1", "3"]],
  ["format-comments", `data:1\r:\0\n:\r\ndata:2\n:${"x".repeat(3000)}\rdata:3\n:data:fail\r:x\ndata:4\n\n`, [
    "1\n2\n3\n4"
  ]],
  ["format-data-before-final-empty-line", "retry:1000\ndata:test1\n\nid:test\ndata:test2", [1000, "test1"]],
  ["format-field-data", "data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"]],
  ["format-field-event-empty", "event: \ndata:data\n\n", ["data"]],
  ["format-field-event", "event:test\ndata:x\n\ndata:x\n\n", ["x", "x"]],
  ["format-field-id-3", "id:1\ndata:x\n\nid\ndata:y\n\nid:\0\ndata:z\n\n", ["x", "y", "z"]],
  [
    "format-field-parsing",
    "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
    [
      "\0\n 2\n1\n3\n\n4"
    ]
  ],
  ["format-field-retry", "retry:3000\ndata:x\n\n", [3000, "x"]],
  ["format-field-retry-bogus", "retry:3000\nretry:1000x\nretry:-1\nretry:\nretry: 7\nretry:٣\ndata:x\n\n", [
    3000,
    7,
    "x"
  ]],
  ["format-field-unknown", "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n", [
    "test\n\ntest"
  ]],
  ["a time to wait, inside an event that has no end", "data:1\nretry:5\n", [5]],
  ["format-leading-space", "data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"]],
  ["format-newlines", "data:test\r\ndata\ndata:test\r\n\r\n", ["test\n\ntest"]],
  ["carriage returns alone", "data:a\r\rdata:b\r\r", ["a", "b"]],
  ["mixed line ends", "data:a\r\n\rdata:b\n\r\ndata:c\r\n\ndata:d\n\n", ["a", "b", "c", "d"]],
  ["format-null-character", "data:\0\n\n\n\n", ["\0"]],
  ["format-utf-8", "data:ok…\n\ndata:grüße 😀\r\n\r\ndata:😀\n\n", ["ok…", "grüße 😀", "😀"]],
  ["an event without data", "event:x\nid:1\n\ndata:x\n\n", ["x"]],
  ["an event of many lines among those of one", "data:1\n\ndata:2\ndata:3\n\ndata: 4\n\n:c\n\ndata:5\n\n", [
    "1",
    "2\n3",
    "4",
    "5"
  ]]
]

describe("EventReader", () => {
  for (const [name, body, seen] of cases) {
    it(`reads ${name}, wherever it is cut`, () => {
      const bytes = encoder.encode(body)
      const wanted = standard(bytes)
      assert.deepStrictEqual(wanted.seen, seen)
      assert.deepStrictEqual(readAll([bytes]), wanted)
      assert.deepStrictEqual(readAll(Array.from(bytes, (byte) => Uint8Array.of(byte))), wanted)
      const text = JSON.stringify(wanted)
      const check = (...at: ReadonlyArray<number>) => {
        const read = readAll(cutAt(bytes, ...at))
        if (JSON.stringify(read) !== text) assert.deepStrictEqual(read, wanted, `cut at ${at.join()}`)
      }
      // Every cut into three; inside a long run of the same byte one place is as good as another.
      const places = Array.from({ length: bytes.length + 1 }, (_, at) => at).filter((at) =>
        at < 3 || bytes.subarray(at - 3, at + 3).some((byte) => byte !== bytes[at])
      )
      for (const first of places) for (const second of places) if (first <= second) check(first, second)
      // Pieces of every length; and of a short body every way to cut it.
      for (let step = 1; step < bytes.length; step++) {
        check(...Array.from({ length: Math.ceil(bytes.length / step) - 1 }, (_, index) => (index + 1) * step))
      }
      for (let way = 0; bytes.length <= size(14, 18) && way < 2 ** (bytes.length - 1); way++) {
        check(...places.filter((at) => at > 0 && (way >> (at - 1)) % 2 === 1))
      }
    }, patience)
  }

  it("reads bytes that are no text as the standard does", () => {
    const bytes = Uint8Array.of(
      ...encoder.encode("data:"),
      0xff,
      0xe2,
      0x82,
      ...encoder.encode("\n\ndata:"),
      0xf0,
      0x9f,
      10,
      10
    )
    // What begins as a byte order mark does, and is none, is the beginning of a line.
    const noMark = Uint8Array.of(0xef, 0xbb, 13, 10)
    for (const body of [bytes, noMark]) {
      for (let at = 0; at <= body.length; at++) assert.deepStrictEqual(readAll(cutAt(body, at)), standard(body))
    }
  })

  const inputs = size(100_000, 1_000_000)
  it(`agrees with the standard on ${inputs} inputs, each cut anywhere`, () => {
    for (let index = 0; index < inputs; index++) {
      const random = chanceOf(index)
      const body = anyBody(random)
      const at = Array.from({ length: random.below(7) }, () => random.below(body.length + 1)).toSorted(byNumber)
      const [read, wanted] = [readAll(cutAt(body, ...at)), standard(body)]
      // Thousands are compared in a blink as text; what differs is shown as it is.
      if (JSON.stringify(read) === JSON.stringify(wanted)) continue
      assert.deepStrictEqual(read, wanted, `${JSON.stringify([...body])} cut at ${at.join()}; ${replay(index)}`)
    }
  }, patience)

  it("cuts no text out of what the service itself writes, wherever that is cut", () => {
    const bytes = encoder.encode("data:{\"a\":1}\n\ndata: {\"b\":\"é\"}\n\ndata:{\"c\":3}\n\n")
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const seen: Array<string> = []
        const reader = new EventReader({
          onData: (text, start, end) => {
            // Behind its field: what the parser hands out is the data alone.
            assert.match(text.slice(0, start), /data: ?$/)
            seen.push(text.slice(start, end))
          },
          onRetry: () => {}
        })
        for (const piece of cutAt(bytes, first, second)) reader.feed(piece)
        assert.deepStrictEqual(seen, ["{\"a\":1}", "{\"b\":\"é\"}", "{\"c\":3}"])
      }
    }
  })

  it("reads the fast way again behind an event that is none of the service's own", () => {
    const seen: Array<readonly [string, boolean]> = []
    const reader = new EventReader({
      onData: (text, start, end) => seen.push([text.slice(start, end), start > 0]),
      onRetry: () => {}
    })
    for (const chunk of ["data:1\r", "\ndata:2\n\ndata:3\n\n"]) reader.feed(encoder.encode(chunk))
    assert.deepStrictEqual(seen, [["1\n2", false], ["3", true]])
  })

  it("takes an event of the greatest length, and none that is a byte longer, however it comes", () => {
    for (const size of [100, 65_536, 3 * maxEventBytes]) {
      for (
        const [over, shape] of [[0, "line"], [1, "line"], [0, "lines"], [1, "lines"], [0, "text"], [2, "text"]] as const
      ) {
        const room = maxEventBytes + over
        const event = shape === "line"
          ? `data:${"x".repeat(room - 5)}`
          : shape === "lines"
          ? `data:${"x".repeat(1000 - 5)}\ndata:${"x".repeat(room - 1000 - 5)}`
          : `data:${"é".repeat((room - 6) / 2)}y`
        const bytes = encoder.encode(`data:before\n\n${event}\n\ndata:after\n\n`)
        const { seen, whole } = readAll(
          cutAt(bytes, ...Array.from({ length: Math.ceil(bytes.length / size) - 1 }, (_, i) => (i + 1) * size))
        )
        assert.strictEqual(whole, over === 0, `${shape} ${over} ${size}`)
        assert.strictEqual(seen[0], "before")
        if (over === 0) assert.strictEqual(seen[2], "after", `${shape} ${size}`)
      }
    }
  }, patience)

  it("reads a comment without end in constant memory, and lines behind it", () => {
    const chunk = new Uint8Array(65_536).fill(120)
    for (const beginning of [":", "\ufeff:", "data:a\n:"]) {
      const seen: Array<string> = []
      const reader = new EventReader({
        onData: (text, start, end) => seen.push(text.slice(start, end)),
        onRetry: () => {}
      })
      reader.feed(encoder.encode(beginning))
      collect()
      const before = process.memoryUsage()
      for (let count = 0; count < 1024; count++) assert.isTrue(reader.feed(chunk))
      collect()
      const after = process.memoryUsage()
      assert.isBelow(after.rss - before.rss, 32 * 1024 * 1024)
      reader.feed(encoder.encode("\ndata:b\n\n"))
      assert.deepStrictEqual(seen, [beginning.startsWith("data") ? "a\nb" : "b"])
    }
  })

  it("reads an event that comes byte by byte at the cost of its length", () => {
    const seen: Array<number> = []
    const reader = new EventReader({ onData: (_, start, end) => seen.push(end - start), onRetry: () => {} })
    const x = encoder.encode("x")
    const size = 500_000
    reader.feed(encoder.encode("data:"))
    collect()
    const before = process.memoryUsage()
    for (let count = 0; count < size; count++) reader.feed(x.slice())
    collect()
    const after = process.memoryUsage()
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    assert.isBelow(grown, 8 * size)
    reader.feed(encoder.encode("\n\n"))
    assert.deepStrictEqual(seen, [size])
  })

  it("reads comments that end with carriage returns at the cost of their length", () => {
    const chunk = encoder.encode(":x\r".repeat(100_000))
    const reader = new EventReader({ onData: () => {}, onRetry: () => {} })
    assert.isBelow(worked(() => reader.feed(chunk)), 500)
  })

  it("holds on to nothing of the events that it has read", async () => {
    const reader = new EventReader({ onData: () => {}, onRetry: () => {} })
    const chunks = Array.from({ length: 100 }, (_, index) => {
      const chunk = encoder.encode(`data:{"line":${index}}\n\n`)
      reader.feed(chunk)
      return new WeakRef(chunk.buffer)
    })
    // What a weak reference was made of lives until the end of the turn.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    assert.isAtMost(chunks.filter((chunk) => chunk.deref() !== undefined).length, 1)
    assert.isFalse(reader.finish())
  })

  it("stops at a line without end long before memory does", () => {
    const chunk = new Uint8Array(65_536).fill(120)
    for (const beginning of ["data:", "x", "data:1\n\ndata:", "data:\r\ndata:"]) {
      const reader = new EventReader({ onData: () => {}, onRetry: () => {} })
      reader.feed(encoder.encode(beginning))
      let count = 0
      while (reader.feed(chunk)) count++
      assert.isAtMost(count * chunk.length, maxEventBytes)
    }
  })
})
