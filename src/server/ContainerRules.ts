import * as Effect from "effect/Effect"
import { refusedHostPaths, refusedHostPorts } from "../schema/DeploymentRules.ts"
import * as ImageReference from "../schema/ImageReference.ts"
import type { StartRentalRequest } from "../schema/wire/Rentals.ts"
import { ContainerFailure, type ContainerPort, type ContainerSpec } from "./ContainerRuntime.ts"

/**
 * What the machine's own side makes of a request: it refuses some of it, for which the API answers 500, and drops some
 * of it without a word, as the real one does.
 */
export const containerSpec = Effect.fnUntraced(function*(
  rentalId: string,
  request: typeof StartRentalRequest.Type
): Effect.fn.Return<ContainerSpec, ContainerFailure> {
  const policy = ImageReference.policyProblem(request.containerImage)
  if (policy !== undefined) return yield* new ContainerFailure({ message: `the image ${policy}` })

  const ports: Array<ContainerPort> = request.noSsh === true
    ? []
    : [{ containerPort: 22, hostPort: 0, protocol: "tcp" }]
  for (const { containerPort, hostPort, protocol = "tcp" } of request.ports ?? []) {
    if (protocol !== "tcp" && protocol !== "udp") {
      return yield* new ContainerFailure({ message: "a port's protocol is neither tcp nor udp" })
    }
    if (containerPort < 1 || containerPort > 65535) {
      return yield* new ContainerFailure({ message: "a container port is not from 1 to 65535" })
    }
    if (hostPort > 65535 || refusedHostPorts.includes(hostPort)) {
      return yield* new ContainerFailure({
        message: `a host port is over 65535 or one of ${refusedHostPorts.join(", ")}`
      })
    }
    if (containerPort !== 22) ports.push({ containerPort, hostPort, protocol })
  }

  const volumes = (request.volumes ?? []).filter(({ containerPath, hostPath }) =>
    !hostPath.includes("..") && !containerPath.includes("..")
  )
  for (const { containerPath, hostPath } of volumes) {
    if (!hostPath.startsWith("/") || !containerPath.startsWith("/")) {
      return yield* new ContainerFailure({ message: "a volume's path is not absolute" })
    }
    if (refusedHostPaths.some((path) => hostPath === path || hostPath.startsWith(`${path}/`))) {
      return yield* new ContainerFailure({ message: "a volume's host path is one of the system's own" })
    }
  }

  return {
    rentalId,
    image: request.containerImage,
    command: request.command ?? [],
    environment: request.environment ?? {},
    ports,
    volumes: volumes.map(({ containerPath, hostPath, readOnly = false }) => ({ hostPath, containerPath, readOnly })),
    resources: { cpuCores: request.resources?.cpuCores ?? 0, memoryMb: request.resources?.memoryMb ?? 0 }
  }
})
