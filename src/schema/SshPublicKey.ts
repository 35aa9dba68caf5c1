/** The service's own rule for a public key: the text begins with `ssh-` and has at least two words. */
export const isTaken = (key: string): boolean => key.startsWith("ssh-") && key.trim().split(/\s+/).length >= 2

/** Says what the service would refuse a public key for, or `undefined` where it would not. Never repeats the key. */
export const problem = (key: string): string | undefined => {
  if (key.trim() === "") return `is empty; allowed: ${allowed}`
  if (key.includes("-----BEGIN")) {
    return `is a private key; allowed: the public one, which stands in the file ending in .pub`
  }
  if (/[\r\n]/.test(key.replace(/\r?\n$/, ""))) return `has more than one line; allowed: ${allowed}`
  if (/^\s/.test(key)) {
    return "begins with white space, which the service refuses; allowed: the key from its first letter on"
  }
  if (/^(?:ecdsa-|sk-)/.test(key)) {
    return "is of a type that the service refuses (ECDSA or security key); allowed: ssh-ed25519 or ssh-rsa, which " +
      "`ssh-keygen -t ed25519` makes"
  }
  return isTaken(key) ? undefined : `is not a public key; allowed: ${allowed}`
}

const allowed = "one line such as \"ssh-ed25519 AAAA... me@host\""
