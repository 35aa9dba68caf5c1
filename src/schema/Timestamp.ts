/**
 * A point in time as the service wrote it: RFC 3339 text with up to nine digits of a second, ending in `Z` or an offset.
 *
 * It stays text because a `Date` and a `DateTime` would lose the nanoseconds, which order log lines. Two texts of one
 * moment may differ, so compare with {@link compare}, not with `<`.
 */
export type Timestamp = string

const pattern = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})$/

const utc = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/

/** Nanoseconds since 1970, or `undefined` where the text is not a time. */
export const epochNanoseconds = (timestamp: Timestamp): bigint | undefined => {
  const match = pattern.exec(timestamp)
  if (match === null) return undefined
  const [, date, time, fraction = "", offset] = match
  const millis = Date.parse(`${date}T${time}${offset?.toUpperCase()}`)
  if (Number.isNaN(millis)) return undefined
  return BigInt(millis) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"))
}

/** The moment as a `Date`, to the millisecond, or `undefined` where the text is not a time. */
export const toDate = (timestamp: Timestamp): Date | undefined => {
  const nanoseconds = epochNanoseconds(timestamp)
  return nanoseconds === undefined ? undefined : new Date(Number(nanoseconds / 1_000_000n))
}

/** Orders two moments by their nanoseconds: negative, zero or positive. What is not a time comes first. */
export const compare = (self: Timestamp, that: Timestamp): number => {
  // The same form, which the service nearly always writes: the order of the texts is the order of the moments.
  if (self.length === that.length && utc.test(self) && utc.test(that)) return self < that ? -1 : self > that ? 1 : 0
  const left = epochNanoseconds(self) ?? -1n
  const right = epochNanoseconds(that) ?? -1n
  return left < right ? -1 : left > right ? 1 : 0
}

/** Whether two texts are one moment. */
export const same = (self: Timestamp, that: Timestamp): boolean =>
  self === that || ((self.length !== that.length || !self.endsWith("Z")) && compare(self, that) === 0)

/** The earlier of two moments. */
export const earlier = (self: Timestamp, that: Timestamp): Timestamp => compare(that, self) < 0 ? that : self
