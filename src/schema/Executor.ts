import type { Timestamp } from "./Timestamp.ts"

/** A GPU of a machine. */
export interface GpuSpec {
  /** As the driver names it: `NVIDIA H100 80GB HBM3`. */
  readonly name: string
  /** In GB, read by the service from the name; 0 where the name does not say. */
  readonly memoryGb: number
  /** NVIDIA's version of what the GPU can do. The service says `8.0` of every GPU, whatever it is. */
  readonly computeCapability: string
}

/** The processor and the memory of a machine. */
export interface CpuSpec {
  readonly cores: number
  readonly model: string
  /** In GB. */
  readonly memoryGb: number
}

/** Where a machine stands. A part that the service does not know is absent. */
export interface Location {
  readonly city?: string
  readonly region?: string
  /** ISO 3166 alpha-2, such as `US`. */
  readonly country?: string
}

/** A measured network speed. A part that was not measured is `undefined`. */
export interface NetworkSpeed {
  /** In megabits a second. */
  readonly downloadMbps: number | undefined
  /** In megabits a second. */
  readonly uploadMbps: number | undefined
  readonly testedAt: Timestamp | undefined
}

/** A machine that can be rented. */
export interface Executor {
  /** What `executorId` of a deployment takes. */
  readonly id: string
  /** Empty for a machine without one. */
  readonly gpus: ReadonlyArray<GpuSpec>
  readonly cpu: CpuSpec
  readonly location: Location
  /** Absent where it was never measured. */
  readonly networkSpeed: NetworkSpeed | undefined
  /** From 0 to 1; absent where the service does not say. */
  readonly verificationScore: number | undefined
  /** In percent; absent where the service does not say. */
  readonly uptimePercentage: number | undefined
  /** Until when it is free; the service has never said so far. */
  readonly availableUntil: Timestamp | undefined
}

/**
 * Reads a location as the service writes it, `City/Region/Country`: `Unknown`, empty and missing parts are absent.
 */
export const parseLocation = (text: string | null | undefined): Location => {
  const location: { -readonly [Part in keyof Location]: Location[Part] } = {}
  const [city, region, country] = (text ?? "").split("/").map((part) => part.trim())
  if (isKnown(city)) location.city = city
  if (isKnown(region)) location.region = region
  if (isKnown(country)) location.country = country
  return location
}

const isKnown = (part: string | undefined): part is string => part !== undefined && part !== "" && part !== "Unknown"
