const aliases: ReadonlyArray<readonly [string, string]> = [
  ["uk", "GB"],
  ["england", "GB"],
  ["great britain", "GB"],
  ["usa", "US"],
  ["america", "US"],
  ["united states of america", "US"],
  ["uae", "AE"],
  ["holland", "NL"],
  ["burma", "MM"],
  ["czech republic", "CZ"],
  ["swaziland", "SZ"],
  ["macedonia", "MK"],
  ["korea, south", "KR"],
  ["turkey", "TR"],
  ["hong kong", "HK"]
]

/**
 * The code of a country by its English name, as the service normalises it: what is in no table is upper-cased, so `us`
 * is `US` and a code passes. The names are those that the platform knows.
 */
export const countryCode = (input: string): string => {
  names ??= table()
  return names.get(input.toLowerCase()) ?? input.toUpperCase()
}

let names: ReadonlyMap<string, string> | undefined

const table = (): ReadonlyMap<string, string> => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".split("")
  const display = new Intl.DisplayNames("en", { type: "region", fallback: "none" })
  const codes = letters.flatMap((first) => letters.map((second) => first + second))
    // Two codes can have one name; the canonical one is meant: Germany is DE, not DD.
    .filter((code) => new Intl.Locale(`und-${code}`).region === code)
  return new Map([
    ...codes.flatMap((code) => {
      const name = display.of(code)
      return name === undefined ? [] : [[name.toLowerCase(), code] as const]
    }),
    ...aliases
  ])
}
