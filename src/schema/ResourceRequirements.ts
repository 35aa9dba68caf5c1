/**
 * What a container may use. The service limits cores and memory by it; it does not enforce storage and GPUs: a container
 * gets all GPUs of its machine.
 */
export interface ResourceRequirements {
  /** Default: 1. 0 for no limit. */
  readonly cpuCores?: number | undefined
  /** In MB. Default: 1024. 0 for no limit. */
  readonly memoryMb?: number | undefined
  /** In MB. Default: 10240. */
  readonly storageMb?: number | undefined
  /** Default: 0. */
  readonly gpuCount?: number | undefined
  /** Default: none. */
  readonly gpuTypes?: ReadonlyArray<string> | undefined
}

/** The defaults. */
export const defaultResources = {
  cpuCores: 1,
  memoryMb: 1024,
  storageMb: 10240,
  gpuCount: 0,
  gpuTypes: [] as ReadonlyArray<string>
} as const
