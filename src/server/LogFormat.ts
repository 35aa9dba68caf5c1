/** How many bytes of a line are kept. */
export const messageLimit = 4096

/** What stands after a line that was cut. */
export const truncated = "... (truncated)"

/**
 * A log event as the service writes it: the keys in the order of the alphabet, no space after `data:`. The message must
 * be trimmed and cut already, see {@link message}.
 */
export const event = (stream: string, timestamp: string, message: string): string =>
  `data:{"message":${JSON.stringify(message)},"stream":"${stream}","timestamp":"${timestamp}"}\n\n`

/**
 * A line as the service sends it: trimmed at the left and cut after {@link messageLimit} bytes. The service cuts through
 * a character that stands there, which ends its reader; here the character is left out as a whole.
 */
export const message = (line: string): string => {
  const text = line.trimStart()
  // A UTF-16 unit is at most three bytes.
  if (text.length * 3 <= messageLimit) return text
  const bytes = encoder.encode(text)
  if (bytes.length <= messageLimit) return text
  let end = messageLimit
  while (isContinuation(bytes[end])) end--
  return decoder.decode(bytes.subarray(0, end)) + truncated
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80
