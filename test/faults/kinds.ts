import type { Fault } from "basilica-sdk/testing"
import { promisify } from "node:util"
import { gzip } from "node:zlib"

/** A fault of the way to the service: where the client's connections lead instead. */
export type Detour = "nowhere by name" | "a closed port" | "a black hole" | "a bad certificate" | "a reset handshake"

/** One of the 48 faults of the matrix. */
export type Kind = { readonly fault: Fault } | { readonly detour: Detour }

/** The first answer is served, so that there is a connection to use again. */
export const usesConnectionAgain = (kind: Kind): boolean => "fault" in kind && kind.fault.reused === true

const evil = "http://127.0.0.1:9/evil"
const reply = (status: number, body = "", headers: Record<string, string> = {}): Fault => ({
  after: "body",
  reply: { status, body, headers: body === "" ? headers : { "content-type": "application/json", ...headers } }
})
const envelope = (code: string, retryable = false) =>
  JSON.stringify({
    error: { code: `BASILICA_API_${code}`, message: "words", timestamp: "2025-09-20T12:34:56.123456789Z", retryable }
  })
/** A good reply of the service is replaced after the work, as a broken proxy does. */
const garbled = (body: NonNullable<Fault["reply"]>["body"], headers: Record<string, string> = {}): Fault => ({
  after: "work",
  reply: { status: 200, headers: { "content-type": "application/json", ...headers }, body }
})

/** 200 KiB on the wire, 200 MiB when it is unpacked. */
const bomb = await promisify(gzip)(Buffer.alloc(200 * 1024 * 1024), { level: 9 })

const faults: Record<string, Fault> = {
  "proxy 407": reply(407, "", { "proxy-authenticate": "Basic" }),
  "reset before the body is read": { after: "head", end: "reset" },
  "reset after the body": { after: "body", end: "reset" },
  "reset after the work": { after: "work", end: "reset" },
  "clean close without a reply": { after: "work", end: "close" },
  "stale keep-alive socket": { after: "head", end: "reset", reused: true },
  "head never comes": { after: "work", end: "stall" },
  "head drips": { after: "work", pace: { bytes: 1, every: "1 second" } },
  "garbage status line": { after: "work", wire: { before: "HELLO WORLD\r\n\r\n" } },
  "64 KiB header": { after: "work", wire: { lines: [`x-large: ${"a".repeat(65_536)}`] } },
  "many 1xx": { after: "work", wire: { before: "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(200) } },
  "duplicate content-length": { after: "work", wire: { lines: ["content-length: 1"] } },
  "body short": { after: "work", cut: { body: 1 }, end: "close" },
  "body long": { after: "work", wire: { behind: "{\"more\":true}" } },
  "chunk cut": { after: "work", wire: { chunked: true }, cut: { body: 20 }, end: "close" },
  "body stalls": { after: "work", cut: { body: 1 }, end: "stall" },
  "body drips": { after: "work", pace: { bytes: 1, every: "1 second", from: "body" } },
  "HTML": {
    after: "work",
    reply: { status: 200, headers: { "content-type": "text/html" }, body: "<html>Hello</html>" }
  },
  "bad JSON": garbled("{\"rentals\":[}"),
  "wrong schema": garbled("{\"unexpected\":true}"),
  "bad UTF-8": garbled(new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])),
  "depth 100,000": garbled("[".repeat(100_000) + "]".repeat(100_000)),
  "100 MiB": garbled({ repeat: " ".repeat(1024), times: 100 * 1024 }),
  "gzip bomb": garbled(bomb, { "content-encoding": "gzip" }),
  "six codings": garbled("{}", { "content-encoding": "gzip, gzip, gzip, gzip, gzip, gzip" }),
  "400": reply(400, envelope("BAD_REQUEST")),
  "401 once": reply(401, envelope("AUTH_ERROR")),
  "401 always": reply(401, envelope("AUTH_ERROR")),
  "403": reply(403),
  "404": reply(404),
  "408": reply(408),
  "409": reply(409, envelope("CONFLICT")),
  "422": reply(422, "Failed to deserialize"),
  "429 without Retry-After": reply(429, envelope("RATE_LIMITED")),
  "429 with an odd one": reply(429, envelope("RATE_LIMITED"), { "retry-after": "soon, or -1" }),
  "500": { ...reply(500, envelope("OTHER_ERROR")), after: "work" },
  "502 retryable": { ...reply(502, envelope("VALIDATOR_COMM_ERROR", true)), after: "work" },
  "503 with an auth code": reply(503, envelope("AUTH_ERROR")),
  "302 to another origin": reply(302, "", { location: evil }),
  "307 to another origin": reply(307, "", { location: evil }),
  "half-open after the head": { after: "work", cut: { body: 0 }, end: "stall" },
  "1-byte slicer with jitter": { after: "work", pace: { bytes: 1, every: "100 micros", jitter: true } },
  "1 KB/s": { after: "work", pace: { bytes: 100, every: "100 millis" } }
}

const detours: Record<string, Detour> = {
  "DNS failure": "nowhere by name",
  "refused": "a closed port",
  "black hole": "a black hole",
  "TLS bad certificate": "a bad certificate",
  "TLS reset": "a reset handshake"
}

/** The 48 faults of the matrix, by name. */
export const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...Object.entries(detours).map(([name, detour]) => [name, { detour }] as const),
  ...Object.entries(faults).map(([name, fault]) => [name, { fault: { name, ...fault } }] as const)
])
