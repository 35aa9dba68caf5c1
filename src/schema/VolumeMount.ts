/** A directory of the machine that the container sees. */
export interface VolumeMount {
  /**
   * Absolute, without `..`, and not under `/etc`, `/root`, `/home`, `/proc`, `/sys`, `/dev` or
   * `/var/run/docker.sock`.
   */
  readonly hostPath: string
  /** Absolute, without `..`. */
  readonly containerPath: string
  /** Default: `false`. */
  readonly readOnly?: boolean | undefined
}
