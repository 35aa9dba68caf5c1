import type * as Duration from "effect/Duration"

/**
 * What goes wrong with a request: how far it comes, what is answered, and how the connection ends. The same record works
 * over sockets (`FaultyBasilica` of `basilica-sdk/local`) and in memory (`MemoryBasilica`).
 *
 * @example
 * ```ts
 * import type { Fault } from "basilica-sdk/testing"
 *
 * const lostReply: Fault = { after: "work", end: "reset" }
 * const brokenProxy: Fault = { after: "body", reply: { status: 502, body: "<html>" } }
 * const halfALog: Fault = { after: "work", cut: { body: 2_000 }, end: "close" }
 * const silence: Fault = { after: "work", cut: { body: 0 }, end: "stall" }
 * const slowLine: Fault = { after: "work", pace: { bytes: 1_024, every: "1 second" } }
 * ```
 */
export interface Fault {
  /** For people, in what a test prints. */
  readonly name?: string | undefined
  /**
   * How far the request comes:
   * - `"accept"`: there is a connection and nothing of the request was read, nor of a TLS handshake. In memory: there is
   *   not even a connection. Such a fault meets whatever request is next, since nobody has read which it is.
   * - `"head"`: its head was read.
   * - `"body"`: all of it was read, and the service did nothing.
   * - `"work"`: the service has done what it was asked.
   */
  readonly after: "accept" | "head" | "body" | "work"
  /** What is answered. Default: after the work the service's own reply, otherwise nothing. */
  readonly reply?: FaultReply | undefined
  /** How many bytes of the head, or of the body behind a whole head, get through. Default: with an `end` none, else all. */
  readonly cut?: { readonly head: number } | { readonly body: number } | undefined
  /**
   * How it ends: with a reset, with a close, or never, with a connection that stays open and silent. Default: in good
   * order, or with a close where there is no reply or it is cut.
   */
  readonly end?: "reset" | "close" | "stall" | undefined
  /** How slowly the reply travels. Default: at once. */
  readonly pace?: FaultPace | undefined
  /** What no good server writes. In memory there is no wire, and it makes no difference. */
  readonly wire?: FaultWire | undefined
  /** It meets requests alone that come on a connection that has carried one before. In memory: every request. */
  readonly reused?: boolean | undefined
}

/** A reply in slices, with a pause before each. */
export interface FaultPace {
  readonly bytes: number
  readonly every: Duration.Input
  /** Each pause is a random part of `every`. Default: `false`. */
  readonly jitter?: boolean | undefined
  /** `"body"` lets the head come at once. Default: `"head"`. In memory a head is one slice. */
  readonly from?: "head" | "body" | undefined
}

/** An answer in the place of the service's own. */
export interface FaultReply {
  readonly status: number
  readonly headers?: { readonly [name: string]: string } | undefined
  /** Text, bytes, or a text so many times. Default: nothing. */
  readonly body?: string | Uint8Array | { readonly repeat: string; readonly times: number } | undefined
}

/** Bytes around and within a reply. */
export interface FaultWire {
  /** Before the status line. */
  readonly before?: string | undefined
  /** More lines of the head, without their line ends. */
  readonly lines?: ReadonlyArray<string> | undefined
  /** Behind the body. */
  readonly behind?: string | undefined
  /** The body comes in chunks, and not with its length in the head. */
  readonly chunked?: boolean | undefined
}

/** Whether nothing but the answer differs from good order, so that an ordinary server can give it. */
export const isOrderly = ({ cut, end, pace, reply, wire }: Fault): boolean =>
  reply !== undefined && cut === undefined && end === undefined && pace === undefined && wire === undefined

/** The bytes of an answer, in blocks of at most about 64 KiB where it is a text so many times. */
export function* bytesOf(body: FaultReply["body"] = ""): Generator<Uint8Array> {
  const encoder = new TextEncoder()
  if (typeof body === "string" || body instanceof Uint8Array) {
    const bytes = typeof body === "string" ? encoder.encode(body) : body
    if (bytes.length > 0) yield bytes
  } else {
    const most = Math.max(1, Math.floor(65_536 / Math.max(1, body.repeat.length)))
    for (let left = body.times; left > 0; left -= most) yield encoder.encode(body.repeat.repeat(Math.min(left, most)))
  }
}
