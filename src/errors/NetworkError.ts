import { lookFirst, sentence } from "./internal/sentence.ts"
import { TaggedError } from "./internal/TaggedError.ts"
import type { LogCursor } from "./LogCursor.ts"
import type { Outcome, Phase } from "./Outcome.ts"

/** The network failed: no connection, or one that broke. */
export class NetworkError extends TaggedError("NetworkError")<{
  /** The call that failed: `Deployments.deploy`. */
  readonly operation: string
  /** Where it failed; with `"connect"`, nothing was sent. */
  readonly phase: Phase
  /** What the runtime says of it, such as `ECONNREFUSED`. */
  readonly reason: string
  /** What is known of the work behind the call. */
  readonly outcome: Outcome
  /** For a failed log: where to resume, with `logs(id, { from: error.cursor })`. */
  readonly cursor?: LogCursor | undefined
}> {
  readonly retryable = true

  override get message(): string {
    const where = {
      connect: "could not connect",
      headers: "lost the connection before the reply",
      body: "lost the connection while the reply was read",
      backoff: "lost the connection",
      polling: "lost the connection"
    }
    const next = this.outcome === "none"
      ? `Nothing was done; ${advice(this.reason)}.`
      : lookFirst
    return `${this.operation} ${where[this.phase]}: ${sentence(this.reason)} ${next}`
  }
}

/** What to do, by what the runtime says. Plain http is for this machine alone. */
const advice = (reason: string): string =>
  /conn(?:ection)?refused.*http:/i.test(reason)
    ? "nothing listens there: is basilica-local running? It may have a new address at each start"
    : /ENOTFOUND|EPROTO|CERT|TLS|SSL|UNABLE_TO/.test(reason)
    ? "check the base URL"
    : reason.includes("no reason")
    ? "try again when the network is back; to a browser the service may not allow it (CORS)"
    : "try again when the network is back"
