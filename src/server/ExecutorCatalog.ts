import { type CpuSpec, parseLocation } from "../schema/Executor.ts"
import type { AvailableExecutorWire, NetworkSpeedWire } from "../schema/wire/Executors.ts"
import { countryCode } from "./CountryCode.ts"

/** A machine that can be rented. */
export interface CatalogExecutor {
  readonly id: string
  /** The name of each GPU as the driver says it. The service reads the memory from it, as `80GB`. */
  readonly gpus: ReadonlyArray<string>
  readonly cpu: CpuSpec
  /** `City/Region/Country`, with `Unknown` for a part that is not known. */
  readonly location?: string
  readonly networkSpeed?: typeof NetworkSpeedWire.Type
  /** Default: `miner_1`. */
  readonly minerId?: string
  /** From 0 to 1. Default: 0.98. */
  readonly verificationScore?: number
  /** Default: 99.5. */
  readonly uptimePercentage?: number
}

/** What a list of machines is filtered by, as the query has it. */
export interface CatalogFilters {
  readonly min_gpu_memory?: number | undefined
  readonly gpu_type?: string | undefined
  readonly min_gpu_count?: number | undefined
  readonly location_city?: string | undefined
  readonly location_region?: string | undefined
  readonly location_country?: string | undefined
}

/** The memory of a GPU in GB, which the service takes from its name alone: 0 for `NVIDIA B200`. */
const memoryGb = (gpu: string): number => Number(/(\d+)GB/.exec(gpu)?.[1] ?? 0)

/**
 * Whether a machine passes the filters, with the service's quirks: one large GPU is enough, the type is any part of the
 * name, and a machine without GPUs passes both of these.
 */
export const matches = (executor: CatalogExecutor, filters: CatalogFilters): boolean => {
  const { gpus } = executor
  const type = filters.gpu_type?.toLowerCase()
  const { city, country, region } = parseLocation(executor.location)
  const wanted = filters.location_country === undefined ? undefined : countryCode(filters.location_country)
  return (filters.min_gpu_memory === undefined ||
    anyGpu(gpus, (gpu) => memoryGb(gpu) >= (filters.min_gpu_memory ?? 0))) &&
    (type === undefined || anyGpu(gpus, (gpu) => gpu.toLowerCase().includes(type))) &&
    gpus.length >= (filters.min_gpu_count ?? 0) &&
    sameWord(city, filters.location_city) &&
    sameWord(region, filters.location_region) &&
    sameWord(country, wanted)
}

const anyGpu = (gpus: ReadonlyArray<string>, passes: (gpu: string) => boolean): boolean =>
  gpus.length === 0 || gpus.some(passes)

const sameWord = (word: string | undefined, wanted: string | undefined): boolean =>
  wanted === undefined || word?.toLowerCase() === wanted.toLowerCase()

/** Whether the filters hold what breaks the service's database query. */
export const breaksQuery = (filters: CatalogFilters): boolean =>
  [filters.location_city, filters.location_region, filters.location_country].some((text) => text?.includes("'"))

/** A machine as it travels by itself. */
export const toExecutorWire = (executor: CatalogExecutor): typeof AvailableExecutorWire.Type["executor"] => ({
  id: executor.id,
  gpuSpecs: executor.gpus.map((name) => ({ name, memoryGb: memoryGb(name), computeCapability: "8.0" })),
  cpuSpecs: executor.cpu,
  location: executor.location ?? null,
  ...(executor.networkSpeed === undefined ? {} : { networkSpeed: executor.networkSpeed })
})

/** A machine as it travels in the list of those that are free. */
export const toAvailableWire = (executor: CatalogExecutor): typeof AvailableExecutorWire.Type => ({
  executor: toExecutorWire(executor),
  availability: {
    availableUntil: null,
    verificationScore: executor.verificationScore ?? 0.98,
    uptimePercentage: executor.uptimePercentage ?? 99.5
  }
})

const times = (count: number, gpu: string): ReadonlyArray<string> => Array.from({ length: count }, () => gpu)

const measured = (downloadMbps: number, uploadMbps: number): typeof NetworkSpeedWire.Type => ({
  downloadMbps,
  uploadMbps,
  testTimestamp: "2025-09-19T10:00:00Z"
})

/** The machines of a server that is given none: several GPUs, countries and oddities of the real ones. */
export const defaultExecutors: ReadonlyArray<CatalogExecutor> = [
  {
    id: "2f0c6a3e-7d51-4b0a-9c1e-0a6b5d1f4c01",
    gpus: times(8, "NVIDIA H100 80GB HBM3"),
    cpu: { cores: 192, model: "AMD EPYC 9654", memoryGb: 2048 },
    location: "Ashburn/Virginia/US",
    networkSpeed: measured(9412.5, 8801.3),
    minerId: "miner_42"
  },
  {
    id: "5b9e1d77-3c2f-4e61-8f0d-2d9a7c6e5b02",
    gpus: times(1, "NVIDIA H100 80GB HBM3"),
    cpu: { cores: 64, model: "AMD EPYC 9554", memoryGb: 512 },
    location: "Frankfurt/Hesse/DE",
    networkSpeed: measured(941.2, 880)
  },
  {
    id: "8c4d2f90-1a6b-4d38-b7e5-6f3b8e2d1a03",
    gpus: times(4, "NVIDIA A100-SXM4-80GB"),
    cpu: { cores: 128, model: "AMD EPYC 7763", memoryGb: 1024 },
    location: "Montreal/Quebec/CA",
    verificationScore: 0.91
  },
  {
    id: "b1e7c3a5-9f84-4207-a6d2-8e5c4b7f9d04",
    gpus: times(2, "NVIDIA B200"),
    cpu: { cores: 112, model: "Intel Xeon Platinum 8570", memoryGb: 1024 },
    location: "Unknown/Unknown/US",
    networkSpeed: { downloadMbps: null, uploadMbps: null, testTimestamp: null }
  },
  {
    id: "d6a2f8b4-5e13-4c9f-8b70-1c7d6a9e3f05",
    gpus: times(1, "NVIDIA GeForce RTX 4090"),
    cpu: { cores: 16, model: "AMD Ryzen 9 7950X", memoryGb: 128 },
    location: "Helsinki/Uusimaa/FI",
    networkSpeed: measured(512.4, 498.9),
    uptimePercentage: 97.2
  },
  {
    id: "f3b5d9c8-2a47-4e8d-9c36-4b8f7e1a6c06",
    gpus: [],
    cpu: { cores: 32, model: "AMD EPYC 7543P", memoryGb: 256 }
  }
]
