/** How to reach a deployment by SSH. */
export interface SshAccess {
  /** A name or an address. */
  readonly host: string
  /** From 1 to 65535. */
  readonly port: number
  readonly username: string
  /** The command line to type: `ssh -p 32776 root@84.200.81.243`. */
  readonly command: string
}

/** Longer than any name of a host and a user; what is longer could take the patterns long, too. */
const longest = 512
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/
const userPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/

/** Builds the access from its parts, or nothing where a part could do harm on a command line. */
const make = (parts: { host: string; port: number; username: string }): SshAccess | undefined => {
  const { host, port, username } = parts
  if (!hostPattern.test(host) || !userPattern.test(username)) return undefined
  if (!Number.isInteger(port) || port < 1 || port > 65535) return undefined
  return { host, port, username, command: `ssh -p ${port} ${username}@${host}` }
}

/**
 * Reads SSH credentials in each form that the service and its clients use: `user@host:port`, `user@host`, `host:port`,
 * `host`, and `ssh user@host -p port`. The user defaults to `root`, the port to 22.
 */
export const parse = (credentials: string): SshAccess | undefined => {
  if (credentials.length > longest) return undefined
  const words = credentials.trim().split(/\s+/)
  if (words[0] === "ssh") return parseCommand(words.slice(1))
  return words.length === 1 ? parseAddress(words[0] ?? "") : undefined
}

const parseCommand = (words: ReadonlyArray<string>): SshAccess | undefined => {
  const flag = words.indexOf("-p")
  const port = flag === -1 ? undefined : words[flag + 1]
  const rest = flag === -1 ? words : words.filter((_, index) => index !== flag && index !== flag + 1)
  const address = rest[0]
  if (address === undefined || rest.length > 1) return undefined
  return parseAddress(port === undefined ? address : `${address}:${port}`)
}

/** Splits at the first `@` and the last `:`, as the official command line does. */
const parseAddress = (address: string): SshAccess | undefined => {
  const at = address.indexOf("@")
  const username = at === -1 ? "root" : address.slice(0, at)
  const target = address.slice(at + 1)
  const colon = target.lastIndexOf(":")
  if (colon === -1) return make({ host: target, port: 22, username })
  const port = target.slice(colon + 1)
  return /^\d{1,5}$/.test(port) ? make({ host: target.slice(0, colon), port: Number(port), username }) : undefined
}
