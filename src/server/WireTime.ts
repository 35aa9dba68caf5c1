const second = 1_000_000_000n

/** A moment as most of the service writes it: RFC 3339 with nine digits of a second and `Z`. */
export const utc = (nanoseconds: bigint): string => `${digits(nanoseconds)}Z`

/** A moment as the service writes it in a list of rentals: with an offset in the place of the `Z`. */
export const offset = (nanoseconds: bigint): string => `${digits(nanoseconds)}+00:00`

const digits = (nanoseconds: bigint): string => {
  const seconds = new Date(Number(nanoseconds / second) * 1000).toISOString().slice(0, 19)
  return `${seconds}.${String(nanoseconds % second).padStart(9, "0")}`
}
