import { oneLine } from "./oneLine.ts"

/**
 * The state of a deployment. `raw` keeps the service's own word, which differs between listing (`Active`) and asking for
 * one (`active`).
 */
export type DeploymentStatus =
  /** It is being set up. */
  | { readonly _tag: "Pending"; readonly raw: string }
  /** Its container runs. */
  | { readonly _tag: "Running"; readonly raw: string }
  /** It ended, or is ending. */
  | { readonly _tag: "Stopped"; readonly raw: string }
  /** It failed. The service gives no cause on its wire; the reason says what can be known. */
  | { readonly _tag: "Failed"; readonly raw: string; readonly reason: string }
  /** A state that this version does not know. */
  | { readonly _tag: "Unknown"; readonly raw: string }

const tags: ReadonlyMap<string, "Pending" | "Running" | "Stopped"> = new Map([
  ["Provisioning", "Pending"],
  ["pending", "Pending"],
  ["Active", "Running"],
  ["active", "Running"],
  ["Restarting", "Running"],
  ["Stopping", "Stopped"],
  ["Stopped", "Stopped"],
  ["terminated", "Stopped"]
])

/** Reads the service's word: the `state` of a list (`Active`) or the `status` of one deployment (`active`). */
export const fromWire = (raw: string): DeploymentStatus => {
  if (raw === "Failed" || raw === "failed") {
    return {
      _tag: "Failed",
      raw,
      reason: "The service reports a failure and gives no cause; the last log lines may show it"
    }
  }
  const tag = tags.get(raw)
  return tag === undefined ? { _tag: "Unknown", raw: oneLine(raw, 128) } : { _tag: tag, raw }
}

/** Whether nothing will come after this state. */
export const isFinal = (status: DeploymentStatus): boolean => status._tag === "Stopped" || status._tag === "Failed"
