/** Several pieces as one, which is a part of `space` where they fit there; a single one as it is. */
export const joined = (parts: ReadonlyArray<Uint8Array>, space?: Uint8Array): Uint8Array => {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const all = space !== undefined && size <= space.length ? space.subarray(0, size) : new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}
