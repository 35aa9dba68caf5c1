import type { PortMapping } from "./PortMapping.ts"
import type { ResourceRequirements } from "./ResourceRequirements.ts"
import type { VolumeMount } from "./VolumeMount.ts"

/** Which GPUs a machine must have, where you name none. A free machine that fits is chosen at random. */
export interface GpuRequirements {
  /** A part of the GPU's name, in any case: `h100`. Default: any. */
  readonly type?: string | undefined
  /** At least this many. Default: 1. */
  readonly count?: number | undefined
  /** In GB, for each GPU. Default: 0, any. */
  readonly minMemoryGb?: number | undefined
}

/** What to run, and where. `DeploymentRules` has the rules; `docs/deployments.md` says why each is there. */
export interface DeploymentConfig {
  /** The machine to use, from `Executors.listAvailable`. Give this or `gpu`. */
  readonly executorId?: string | undefined
  /** What the machine must have, to have one chosen. Give this or `executorId`. */
  readonly gpu?: GpuRequirements | undefined
  /** From `docker.io` (where no registry is named), `gcr.io` or `ghcr.io`; at most 500 bytes. */
  readonly image: string
  /**
   * Your public key, as in `~/.ssh/id_ed25519.pub`. The service takes types that begin with `ssh-` (`ssh-ed25519`,
   * `ssh-rsa`) and refuses ECDSA and security keys. May be left out with `noSsh`.
   */
  readonly sshKey?: string | undefined
  /** What the container may use. Default: 1 core, 1 GB of memory, 10 GB of storage. */
  readonly resources?: ResourceRequirements | undefined
  /**
   * Variables for the container. The service puts the values into a shell line without quotes: spaces split them, and
   * other characters of a shell act. A warning is logged for such values.
   */
  readonly environment?: { readonly [name: string]: string } | undefined
  /**
   * Ports of the container that the machine opens: `[PortMapping.tcp(8080)]`. Default: none but SSH. Which ports of the
   * machine they have is in `ports` of the deployment that `deploy` gives.
   */
  readonly ports?: ReadonlyArray<PortMapping> | undefined
  /** Directories of the machine that the container sees: `[{ hostPath: "/data", containerPath: "/data" }]`. Default: none. */
  readonly volumes?: ReadonlyArray<VolumeMount> | undefined
  /** Replaces the image's command. Default: the image's own. Spaces act as in `environment`. */
  readonly command?: ReadonlyArray<string> | undefined
  /** Run without SSH access. Default: `false`. */
  readonly noSsh?: boolean | undefined
}
