/**
 * Plausible data for tests; whatever matters to a test is given, the rest is filled in.
 *
 * @example
 * ```ts
 * import { Fixture } from "basilica-sdk/testing"
 *
 * const busy = Fixture.deployment({ id: "rental-1", status: { _tag: "Pending", raw: "pending" } })
 * const log = ["epoch 1", "epoch 2"].map((message) => Fixture.logEntry({ message }))
 * ```
 */
import type { ApiKey } from "../schema/ApiKey.ts"
import type { Deployment } from "../schema/Deployment.ts"
import type { Executor } from "../schema/Executor.ts"
import type { HealthStatus } from "../schema/HealthStatus.ts"
import type { Listing } from "../schema/Listing.ts"
import type { LogEntry } from "../schema/LogEntry.ts"

const gpus: Executor["gpus"] = [{ name: "NVIDIA H100 80GB HBM3", memoryGb: 80, computeCapability: "8.0" }]
const cpu: Executor["cpu"] = { cores: 64, model: "AMD EPYC 9554", memoryGb: 512 }
const location: Executor["location"] = { city: "Ashburn", region: "Virginia", country: "US" }
const noon = "2025-09-20T12:00:00.123456789Z"

/** A machine with one H100. */
export const executor = (fields: Partial<Executor> = {}): Executor => ({
  id: "2f0c6a3e-7d51-4b0a-9c1e-0a6b5d1f4c01",
  gpus,
  cpu,
  location,
  networkSpeed: { downloadMbps: 941.2, uploadMbps: 880, testedAt: "2025-09-19T10:00:00Z" },
  verificationScore: 0.98,
  uptimePercentage: 99.5,
  availableUntil: undefined,
  ...fields
})

/** A deployment that runs on {@link executor}, as `deploy` gives it. */
export const deployment = (fields: Partial<Deployment> = {}): Deployment => ({
  id: "rental-3d6f0b0e-1c1f-4f0e-9d55-0f5b1c0d7a11",
  status: { _tag: "Running", raw: "active" },
  executorId: "2f0c6a3e-7d51-4b0a-9c1e-0a6b5d1f4c01",
  image: "nvidia/cuda:12.2.0-base-ubuntu22.04",
  ssh: { host: "192.0.2.1", port: 32776, username: "root", command: "ssh -p 32776 root@192.0.2.1" },
  hasSsh: true,
  ports: [{ containerPort: 22, hostPort: 32776, protocol: "tcp" }],
  containerId: "9c1d".repeat(16),
  containerName: "basilica-rental-rental-3d6f0b0e-1c1f-4f0e-9d55-0",
  createdAt: noon,
  gpus,
  cpu,
  location,
  ...fields
})

/** A line on stdout. */
export const logEntry = (fields: Partial<LogEntry> = {}): LogEntry => ({
  timestamp: noon,
  stream: "stdout",
  message: "epoch 1",
  ...fields
})

/** A key that was never used. */
export const apiKey = (fields: Partial<ApiKey> = {}): ApiKey => ({
  name: "ci-bot",
  keyId: "0123456789abcdef".repeat(2),
  createdAt: noon,
  lastUsedAt: undefined,
  ...fields
})

/** A service that answers. */
export const healthStatus = (fields: Partial<HealthStatus> = {}): HealthStatus => ({
  status: "healthy",
  version: "0.1.0",
  timestamp: noon,
  healthyValidators: 1,
  totalValidators: 1,
  ...fields
})

/** What the services list: these items, and none that could not be understood. */
export const listing = <A>(items: ReadonlyArray<A>): Listing<A> => ({ items, invalid: [], totalCount: items.length })
