import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Deployment } from "../Deployment.ts"
import type { DeploymentRequest } from "../DeploymentRules.ts"
import * as DeploymentStatus from "../DeploymentStatus.ts"
import { parseLocation } from "../Executor.ts"
import { Id } from "../Id.ts"
import { snakeKeys } from "../internal/snakeKeys.ts"
import type { ListFilters } from "../ListFilters.ts"
import * as SshAccess from "../SshAccess.ts"
import { CpuSpecWire, GpuSpecWire, NetworkSpeedWire, toCpuSpec, toGpuSpec } from "./Executors.ts"
import { count, duration, maybe } from "./fields.ts"

/** The least that is known of the machine in `executor_selection`. */
const ExecutorSelection = Schema.Union([
  snakeKeys(Schema.Struct({ type: Schema.Literal("executor_id"), executorId: Schema.String })),
  snakeKeys(Schema.Struct({
    type: Schema.Literal("gpu_requirements"),
    gpuRequirements: snakeKeys(Schema.Struct({
      minMemoryGb: count,
      gpuType: maybe(Schema.String),
      gpuCount: count
    }))
  }))
])

const PortRequest = snakeKeys(Schema.Struct({
  containerPort: count,
  hostPort: count,
  protocol: Schema.optionalKey(Schema.String)
}))

/** A port as it was mapped. */
export const PortWire = snakeKeys(Schema.Struct({
  containerPort: Schema.Finite,
  hostPort: Schema.Finite,
  protocol: Schema.optionalKey(Schema.String)
}))

/** The body of `POST /rentals`. */
export const StartRentalRequest = snakeKeys(Schema.Struct({
  executorSelection: ExecutorSelection,
  containerImage: Schema.String,
  sshPublicKey: Schema.String,
  environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  ports: Schema.optionalKey(Schema.Array(PortRequest)),
  resources: Schema.optionalKey(snakeKeys(Schema.Struct({
    cpuCores: Schema.Finite,
    memoryMb: Schema.Int,
    storageMb: Schema.Int,
    gpuCount: count,
    gpuTypes: Schema.optionalKey(Schema.Array(Schema.String))
  }))),
  command: Schema.optionalKey(Schema.Array(Schema.String)),
  volumes: Schema.optionalKey(Schema.Array(snakeKeys(Schema.Struct({
    hostPath: Schema.String,
    containerPath: Schema.String,
    readOnly: Schema.optionalKey(Schema.Boolean)
  })))),
  noSsh: Schema.optionalKey(Schema.Boolean)
}))

/**
 * The reply of `POST /rentals`, as it is read. Only the id is needed: nothing else may turn a paid success into a failure,
 * so what does not fit is left out, part by part.
 */
export const StartRentalReplyRead = Schema.Struct({
  rental_id: Id,
  ssh_credentials: Schema.optionalKey(Schema.Unknown),
  container_info: Schema.optionalKey(Schema.Unknown)
})

/** The reply of `GET /rentals/{id}`: `ssh_credentials` is left out, not null, where there is none. */
export const RentalReply = snakeKeys(Schema.Struct({
  rentalId: Id,
  status: Schema.String,
  executor: maybe(snakeKeys(Schema.Struct({
    id: Schema.String,
    gpuSpecs: maybe(Schema.Array(GpuSpecWire)),
    cpuSpecs: maybe(CpuSpecWire),
    location: maybe(Schema.String),
    networkSpeed: maybe(NetworkSpeedWire)
  }))),
  sshCredentials: maybe(Schema.String),
  createdAt: maybe(Schema.String),
  updatedAt: maybe(Schema.String)
}))

/** The same reply as it is read. */
export const RentalReplyRead = Schema.toEncoded(RentalReply)

/** An item of `GET /rentals`. */
export const RentalItemWire = snakeKeys(Schema.Struct({
  rentalId: Id,
  executorId: maybe(Schema.String),
  containerId: maybe(Schema.String),
  state: Schema.String,
  createdAt: maybe(Schema.String),
  minerId: maybe(Schema.String),
  containerImage: maybe(Schema.String),
  gpuSpecs: maybe(Schema.Array(GpuSpecWire)),
  hasSsh: maybe(Schema.Boolean),
  cpuSpecs: maybe(CpuSpecWire),
  location: maybe(Schema.String),
  networkSpeed: maybe(NetworkSpeedWire)
}))

/** The same item as it is read. */
export const RentalItemRead = Schema.toEncoded(RentalItemWire)

/** The states that `GET /rentals?status=` takes, letter for letter. */
export const RentalState = Schema.Literals(["Provisioning", "Active", "Stopping", "Stopped", "Failed"])

const stateOf: { readonly [Status in NonNullable<ListFilters["status"]>]: typeof RentalState.Type } = {
  Pending: "Provisioning",
  Running: "Active",
  Stopped: "Stopped",
  Failed: "Failed"
}

/** The rules for the filters of a list. */
export const ListFilterRules = Schema.Struct({
  status: Schema.optional(Schema.Literals(["Pending", "Running", "Stopped", "Failed"]))
})

/** The rules for the options of a deploy. */
export const DeployOptionRules = Schema.Struct({
  timeout: Schema.optional(duration()),
  resubmitAfter: Schema.optional(duration(16 * 60_000))
})

/** The rules for the options of watching. */
export const WatchOptionRules = Schema.Struct({
  interval: Schema.optional(duration())
})

/** The rules for the options of waiting. */
export const WaitOptionRules = Schema.Struct({
  timeout: Schema.optional(duration()),
  interval: Schema.optional(duration())
})

/** The rules for the options of a reconciliation. */
export const ReconcileOptionRules = Schema.Struct({
  found: Schema.optional(Schema.Literals(["stop", "adopt"])),
  timeout: Schema.optional(duration())
})

/** The query for filters that keep the rules. */
export const rentalsQuery = (filters: ListFilters): Record<string, string | undefined> => ({
  status: filters.status === undefined ? undefined : stateOf[filters.status]
})

/**
 * The key that is sent for a deployment without SSH: the service asks for one even then, and refuses an empty one. It is
 * no real key, so nobody holds its other half.
 */
const noKey = "ssh-ed25519 no-ssh"

/** A request whose machine was chosen. */
export type PlacedRequest = DeploymentRequest & { readonly executorId: string }

/** What goes over the wire for a request that keeps the rules. */
export const fromRequest = (request: PlacedRequest): typeof StartRentalRequest.Type => ({
  executorSelection: { type: "executor_id", executorId: request.executorId },
  containerImage: request.image,
  sshPublicKey: request.sshKey ?? noKey,
  environment: request.environment,
  ports: request.ports,
  resources: request.resources,
  command: request.command,
  volumes: request.volumes,
  noSsh: request.noSsh
})

const ssh = (credentials: string | null | undefined) => credentials == null ? undefined : SshAccess.parse(credentials)

const decodePorts = Schema.decodeUnknownResult(Schema.Array(PortWire))
const text = (value: unknown): string | undefined => Predicate.isString(value) ? value : undefined

/** What people hold after a deploy. The call returns when the container runs. */
export const fromStartReply = (wire: typeof StartRentalReplyRead.Type, request: PlacedRequest): Deployment => {
  const container: { readonly [key: string]: unknown } = Predicate.isObject(wire.container_info)
    ? wire.container_info
    : {}
  const ports = Result.getOrElse(decodePorts(container["mapped_ports"]), () => [])
  const credentials = text(wire.ssh_credentials)
  return {
    id: wire.rental_id,
    status: { _tag: "Running", raw: text(container["status"]) ?? "running" },
    executorId: request.executorId,
    image: request.image,
    ssh: ssh(credentials),
    hasSsh: credentials !== undefined,
    ports: unique(ports.map((port) => ({ ...port, protocol: port.protocol ?? "tcp" }))),
    containerId: text(container["container_id"]),
    containerName: text(container["container_name"]),
    createdAt: undefined,
    gpus: [],
    cpu: undefined,
    location: {}
  }
}

/** The service lists a port twice where it is bound for IPv4 and IPv6. */
const unique = <Port extends { readonly containerPort: number; readonly hostPort: number; readonly protocol: string }>(
  ports: ReadonlyArray<Port>
): ReadonlyArray<Port> => [
  ...new Map(ports.map((port) => [`${port.containerPort}:${port.hostPort}/${port.protocol}`, port])).values()
]

/** What people hold of one deployment that was asked for. */
export const fromRentalReply = (wire: typeof RentalReplyRead.Type): Deployment => ({
  id: wire.rental_id,
  status: DeploymentStatus.fromWire(wire.status),
  executorId: wire.executor?.id,
  image: undefined,
  ssh: ssh(wire.ssh_credentials),
  hasSsh: typeof wire.ssh_credentials === "string",
  ports: undefined,
  containerId: undefined,
  containerName: undefined,
  createdAt: wire.created_at ?? undefined,
  gpus: (wire.executor?.gpu_specs ?? []).map(toGpuSpec),
  cpu: wire.executor?.cpu_specs == null ? undefined : toCpuSpec(wire.executor.cpu_specs),
  location: parseLocation(wire.executor?.location)
})

/** What people hold of one deployment in a list. */
export const fromRentalItem = (wire: typeof RentalItemRead.Type): Deployment => ({
  id: wire.rental_id,
  status: DeploymentStatus.fromWire(wire.state),
  executorId: wire.executor_id ?? undefined,
  image: wire.container_image ?? undefined,
  ssh: undefined,
  hasSsh: wire.has_ssh ?? false,
  ports: undefined,
  containerId: wire.container_id ?? undefined,
  containerName: undefined,
  createdAt: wire.created_at ?? undefined,
  gpus: (wire.gpu_specs ?? []).map(toGpuSpec),
  cpu: wire.cpu_specs == null ? undefined : toCpuSpec(wire.cpu_specs),
  location: parseLocation(wire.location)
})
