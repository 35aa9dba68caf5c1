import type { DeploymentStatus } from "./DeploymentStatus.ts"
import type { CpuSpec, GpuSpec, Location } from "./Executor.ts"
import type { PortMapping } from "./PortMapping.ts"
import type { SshAccess } from "./SshAccess.ts"
import type { Timestamp } from "./Timestamp.ts"

/**
 * A container that was deployed on a machine. Each call returns a different part; the rest is `undefined`, and `gpus` and
 * `location` are empty.
 */
export interface Deployment {
  /** As the service names it: `rental-` and a UUID. */
  readonly id: string
  readonly status: DeploymentStatus
  /** The machine. */
  readonly executorId: string | undefined
  /** The image; told by deploy and list. */
  readonly image: string | undefined
  /** How to log in; told by deploy and get, absent for `noSsh`. A list tells `hasSsh` alone. */
  readonly ssh: SshAccess | undefined
  /** Whether there is SSH access at all. */
  readonly hasSsh: boolean
  /** The ports as they were really mapped, that of SSH among them; told by deploy alone. */
  readonly ports: ReadonlyArray<PortMapping> | undefined
  /** Told by deploy and list. */
  readonly containerId: string | undefined
  /** Told by deploy. */
  readonly containerName: string | undefined
  /** Told by get and list. */
  readonly createdAt: Timestamp | undefined
  /** Told by get and list. */
  readonly gpus: ReadonlyArray<GpuSpec>
  /** Told by get and list. */
  readonly cpu: CpuSpec | undefined
  /** Told by get and list. */
  readonly location: Location
  /** `true` where the reply of the deploy was lost, and the deployment was found by looking. */
  readonly reconciled?: boolean
}
