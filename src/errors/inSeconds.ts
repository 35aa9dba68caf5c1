/** A length of time for people: to a tenth of a second, or exactly where it is less than one. */
export const inSeconds = (millis: number): string =>
  `${millis < 1000 ? millis / 1000 : Math.round(millis / 100) / 10} s`
