import { joined } from "./joined.ts"

/** The size of the segments, to which they grow. */
const segmentSize = 64 * 1024
/** What is smaller than this is copied: on its own it could cost more than what is in it. */
const small = 4 * 1024

const decoder = new TextDecoder()

/** Collects bytes for a text, up to a limit. */
export class ByteBuffer {
  readonly #segments: Array<Uint8Array> = []
  readonly #limit: number
  /** Where small pieces are copied together, and how much of it is full. */
  #open = new Uint8Array(0)
  #used = 0
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether more came than the limit allows. */
  get full(): boolean {
    return this.#size > this.#limit
  }

  /** Whether they were taken: not if there are more than the limit allows. */
  add(bytes: Uint8Array): boolean {
    this.#size += bytes.length
    if (this.full) return false
    // Most texts come in one piece, which is decoded as it is.
    if (bytes.length >= small || this.#segments.length + this.#used === 0) {
      this.#close()
      this.#segments.push(bytes)
      return true
    }
    if (this.#used + bytes.length > this.#open.length) {
      this.#close()
      this.#open = new Uint8Array(Math.min(segmentSize, Math.max(bytes.length, 2 * (this.#size - bytes.length))))
    }
    this.#open.set(bytes, this.#used)
    this.#used += bytes.length
    return true
  }

  /** The whole as text; what is not UTF-8 is replaced. */
  toString(): string {
    this.#close()
    // Decoded in one piece: a decoder that is fed piece by piece takes several times as long.
    return decoder.decode(joined(this.#segments))
  }

  #close(): void {
    if (this.#used > 0) this.#segments.push(this.#open.subarray(0, this.#used))
    this.#open = this.#open.subarray(this.#used)
    this.#used = 0
  }
}
