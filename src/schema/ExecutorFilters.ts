/** Which machines to list; without a filter, all that are free. Filters are joined by "and". */
export interface ExecutorFilters {
  /**
   * A part of the GPU's name, in any case: `h100` finds `NVIDIA H100 80GB HBM3`. Machines without a GPU pass the
   * service's filter.
   */
  readonly gpuType?: string | undefined
  /** At least this many GPUs. */
  readonly minGpuCount?: number | undefined
  /**
   * At least this much memory on one GPU, in GB. The service reads the memory from the name of the GPU: one whose name
   * does not tell, such as `NVIDIA B200`, is left out. Machines without a GPU pass the service's filter.
   */
  readonly minGpuMemoryGb?: number | undefined
  /** The whole name, in any case. */
  readonly city?: string | undefined
  /** The whole name, in any case. */
  readonly region?: string | undefined
  /** A code or an English name: `US`, `usa` and `Germany` are understood. */
  readonly country?: string | undefined
}
