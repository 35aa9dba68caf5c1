import * as LogFormat from "../server/LogFormat.ts"
import * as WireTime from "../server/WireTime.ts"

/** Turns the raw output of one stream into log events, however it is cut into chunks. */
export interface LogLines {
  /** The events of the lines that end in this chunk, one after another, or `""`. */
  push(chunk: Uint8Array): string
  /** The event of a last line that has no end, or `""`. */
  flush(): string
}

/**
 * Splits the output of `stdout` or `stderr` into lines and stamps each with a time that is later than the one before. Of
 * a line without an end no more is held than what would be sent of it.
 */
export const make = (stream: "stdout" | "stderr", currentTimeNanos: () => bigint): LogLines => {
  const decoder = new TextDecoder()
  let open = ""
  let last = 0n

  const event = (line: string) => {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line
    return LogFormat.event(stream, WireTime.utc(last++), LogFormat.message(text))
  }

  return {
    push: (chunk) => {
      const lines = (open + decoder.decode(chunk, { stream: true })).split("\n")
      const now = currentTimeNanos()
      if (now > last) last = now
      open = lines.pop() ?? ""
      // After the white space at the left is gone, one unit more than the limit is enough to know that it is cut.
      if (open.length > LogFormat.messageLimit) open = open.trimStart().slice(0, LogFormat.messageLimit + 1)
      let events = ""
      for (const line of lines) events += event(line)
      return events
    },
    flush: () => {
      const rest = open + decoder.decode()
      open = ""
      return rest === "" ? "" : event(rest)
    }
  }
}
