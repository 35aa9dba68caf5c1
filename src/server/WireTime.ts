const second = 1_000_000_000n

/** A moment as most of the service writes it: RFC 3339 with nine digits of a second and `Z`. */
export const utc = (nanoseconds: bigint): string => `${digits(nanoseconds)}Z`

/** A moment as the service writes it in a list of rentals: with an offset in the place of the `Z`. */
export const offset = (nanoseconds: bigint): string => `${digits(nanoseconds)}+00:00`

/** The second that was written last: a log has many lines in one, and a date costs more than all else of a line. */
let last = { second: 0n, text: "1970-01-01T00:00:00" }

const digits = (nanoseconds: bigint): string => {
  const whole = nanoseconds / second
  if (whole !== last.second) {
    last = { second: whole, text: new Date(Number(whole) * 1000).toISOString().slice(0, 19) }
  }
  return `${last.text}.${String(nanoseconds % second).padStart(9, "0")}`
}
