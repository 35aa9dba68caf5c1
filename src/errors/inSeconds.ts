/** A length of time for people: to a tenth of a second, or a hundredth where it is less than one. */
export const inSeconds = (millis: number): string =>
  `${millis < 1000 ? Math.round(millis / 10) / 100 : Math.round(millis / 100) / 10} s`
