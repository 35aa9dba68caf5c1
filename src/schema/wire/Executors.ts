import * as Schema from "effect/Schema"
import { type CpuSpec, type Executor, type GpuSpec, parseLocation } from "../Executor.ts"
import type { ExecutorFilters } from "../ExecutorFilters.ts"
import { Id } from "../Id.ts"
import { snakeKeys } from "../internal/snakeKeys.ts"
import { must } from "../must.ts"
import { count, gpuName, maybe } from "./fields.ts"

/** A GPU as the service describes it. */
export const GpuSpecWire = snakeKeys(Schema.Struct({
  name: Schema.String,
  memoryGb: Schema.Finite,
  computeCapability: Schema.String
}))

/** Processor and memory as the service describes them. */
export const CpuSpecWire = snakeKeys(Schema.Struct({
  cores: Schema.Finite,
  model: Schema.String,
  memoryGb: Schema.Finite
}))

/** A measured network speed; each member may be null. */
export const NetworkSpeedWire = snakeKeys(Schema.Struct({
  downloadMbps: maybe(Schema.Finite),
  uploadMbps: maybe(Schema.Finite),
  testTimestamp: maybe(Schema.String)
}))

/** A machine; `network_speed` is absent where it is not known, `location` null. */
const ExecutorWire = snakeKeys(Schema.Struct({
  id: Id,
  gpuSpecs: Schema.Array(GpuSpecWire),
  cpuSpecs: CpuSpecWire,
  location: maybe(Schema.String),
  networkSpeed: maybe(NetworkSpeedWire)
}))

/** An item of `GET /executors`. */
export const AvailableExecutorWire = snakeKeys(Schema.Struct({
  executor: ExecutorWire,
  availability: maybe(snakeKeys(Schema.Struct({
    availableUntil: maybe(Schema.String),
    verificationScore: maybe(Schema.Finite),
    uptimePercentage: maybe(Schema.Finite)
  })))
}))

/** The same item as it is read: checked as it travels, and renamed by {@link toExecutor}, which takes a sixth of the time. */
export const AvailableExecutorRead = Schema.toEncoded(AvailableExecutorWire)

const placeName = Schema.String.check(must(
  (text) => !text.includes("'"),
  "holds a single quote, which the service cannot take; allowed: any other text"
))

/** The rules for filters: what the service answers with a bare 400 or breaks at is refused before. */
export const ExecutorFilterRules = Schema.Struct({
  gpuType: Schema.optional(gpuName),
  minGpuCount: Schema.optional(count),
  minGpuMemoryGb: Schema.optional(count),
  city: Schema.optional(placeName),
  region: Schema.optional(placeName),
  country: Schema.optional(placeName)
})

/** The query for filters that keep the rules. */
export const executorsQuery = (filters: ExecutorFilters): Record<string, string | number | undefined> => ({
  gpu_type: filters.gpuType,
  min_gpu_count: filters.minGpuCount,
  min_gpu_memory: filters.minGpuMemoryGb,
  location_city: filters.city,
  location_region: filters.region,
  location_country: filters.country
})

/** What people hold of a GPU. */
export const toGpuSpec = (wire: typeof GpuSpecWire.Encoded): GpuSpec => ({
  name: wire.name,
  memoryGb: wire.memory_gb,
  computeCapability: wire.compute_capability
})

/** What people hold of processor and memory. */
export const toCpuSpec = (wire: typeof CpuSpecWire.Encoded): CpuSpec => ({
  cores: wire.cores,
  model: wire.model,
  memoryGb: wire.memory_gb
})

/** What people hold of an item of `GET /executors`. */
export const toExecutor = ({ availability, executor }: typeof AvailableExecutorRead.Type): Executor => ({
  id: executor.id,
  gpus: executor.gpu_specs.map(toGpuSpec),
  cpu: toCpuSpec(executor.cpu_specs),
  location: parseLocation(executor.location),
  networkSpeed: executor.network_speed == null ? undefined : {
    downloadMbps: executor.network_speed.download_mbps ?? undefined,
    uploadMbps: executor.network_speed.upload_mbps ?? undefined,
    testedAt: executor.network_speed.test_timestamp ?? undefined
  },
  verificationScore: availability?.verification_score ?? undefined,
  uptimePercentage: availability?.uptime_percentage ?? undefined,
  availableUntil: availability?.available_until ?? undefined
})
