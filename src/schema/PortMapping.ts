/** A port of the container that the machine forwards to. */
export interface PortMapping {
  /** From 1 to 65535, and not 22: the service drops such a mapping and opens SSH by itself. */
  readonly containerPort: number
  /** From 1 to 65535, and not 22, 111 or 2049; 0 for any free one. */
  readonly hostPort: number
  /** An open set in what the service answers; `"tcp"` or `"udp"` in what it takes. */
  readonly protocol: string
}

/** Makes port mappings: `PortMapping.tcp(8080)`. */
export const PortMapping = {
  /** Forwards TCP from a port of the machine (0 for any free one) to a port of the container. */
  tcp: (containerPort: number, hostPort = 0): PortMapping => ({ containerPort, hostPort, protocol: "tcp" }),
  /** Forwards UDP from a port of the machine (0 for any free one) to a port of the container. */
  udp: (containerPort: number, hostPort = 0): PortMapping => ({ containerPort, hostPort, protocol: "udp" })
} as const
