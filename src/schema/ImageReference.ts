const domain = /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::\d+)?$/
const component = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^(?:sha256:[0-9A-Fa-f]{64}|sha384:[0-9A-Fa-f]{96}|sha512:[0-9A-Fa-f]{128})$/

const registries: ReadonlyArray<string> = ["docker.io", "gcr.io", "ghcr.io"]
const refused: ReadonlyArray<string> = ["alpine/socat", "nicolaka/netshoot"]

/**
 * Says what the service would refuse an image for, or `undefined` where it would not: an OCI reference of at most 500
 * bytes, from a registry that the service uses, and not one of the images that it blocks. Never repeats the image, which
 * may hold a password.
 */
export const problem = (image: string): string | undefined => formProblem(image) ?? policyProblem(image)

/** The part of {@link problem} that is about the form of the reference: the service answers it with 400. */
export const formProblem = (image: string): string | undefined => {
  if (image === "") return "is empty; allowed: an image reference such as ubuntu:24.04"
  if (new TextEncoder().encode(image).length > 500) return "is longer than 500 bytes; allowed: at most 500 bytes"
  const [name, digest, ...more] = image.split("@")
  if (name === undefined || more.length > 0 || (digest !== undefined && !digestPattern.test(digest))) return malformed
  const colon = name.lastIndexOf(":")
  const hasTag = colon > name.lastIndexOf("/")
  if (hasTag && !tagPattern.test(name.slice(colon + 1))) return malformed
  const path = (hasTag ? name.slice(0, colon) : name).split("/")
  const registry = registryOf(image)
  if (registry !== undefined && !domain.test(registry)) return malformed
  const repository = registry === undefined ? path : path.slice(1)
  if (!repository.every((part) => component.test(part))) return malformed
  if (repository.join("/").length > 255) {
    return "has a repository name of more than 255 characters; allowed: at most 255"
  }
  return undefined
}

/** The part of {@link problem} that is about what the service is willing to run: it answers it with 500. */
export const policyProblem = (image: string): string | undefined => {
  const registry = registryOf(image)
  if (registry !== undefined && !registries.includes(registry)) {
    return `is from a registry that the service refuses; allowed: ${registries.join(", ")}`
  }
  if (refused.some((blocked) => image.includes(blocked))) {
    return `is an image that the service blocks; allowed: anything but ${refused.join(" and ")}`
  }
  return undefined
}

/** The first part of the path, where it has the look of a host. */
const registryOf = (image: string): string | undefined => {
  const [first, ...rest] = image.split("/")
  return first !== undefined && rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : undefined
}

const malformed =
  "is not an image reference; allowed: [registry/]name[:tag][@digest] with a lower-case name, such as nvidia/cuda:12.2.0-base-ubuntu22.04"
