/** A port of the container that the machine forwards to. */
export interface PortMapping {
  /** From 1 to 65535, and not 22: the service drops such a mapping and opens SSH by itself. */
  readonly containerPort: number
  /** From 1 to 65535, and not 22, 111 or 2049; 0 for any free one. */
  readonly hostPort: number
  /** An open set in what the service answers; `"tcp"` or `"udp"` in what it takes. */
  readonly protocol: string
}

/** Makes port mappings. The port of the container comes first, which is the other way round than in `docker -p`. */
export const PortMapping = {
  /** `tcp(8080, 5000)`: port 5000 of the machine (default: 0, any free one) leads to port 8080 of the container. */
  tcp: (containerPort: number, hostPort = 0): PortMapping => ({ containerPort, hostPort, protocol: "tcp" }),
  /** `udp(53, 5353)`: port 5353 of the machine (default: 0, any free one) leads to port 53 of the container. */
  udp: (containerPort: number, hostPort = 0): PortMapping => ({ containerPort, hostPort, protocol: "udp" })
} as const
