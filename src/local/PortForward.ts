import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { ContainerFailure, type ContainerPort } from "../server/ContainerRuntime.ts"

/** The address that everything here listens on. */
export const loopback = "127.0.0.1"

/**
 * Opens the way from a host port to the port that the process listens on itself, for as long as the scope lasts, and
 * says which host port it is.
 *
 * A process has the network of its host, so equal ports need nothing, and UDP is given the process's own port. Nothing
 * answers for port 22: what listens there is this machine's own SSH server, which is nobody's container.
 */
export const open = Effect.fnUntraced(function*(
  port: ContainerPort
): Effect.fn.Return<ContainerPort, ContainerFailure, Scope.Scope> {
  if (port.protocol === "udp") {
    if (port.hostPort === 0 || port.hostPort === port.containerPort) return { ...port, hostPort: port.containerPort }
    return yield* new ContainerFailure({ message: "processes get UDP at the container port alone, or at 0 for any" })
  }
  if (port.hostPort === port.containerPort) {
    yield* Effect.scoped(listen(port.hostPort, (socket) => socket.destroy()))
    return port
  }
  const hostPort = yield* listen(port.hostPort, (socket) => {
    if (port.containerPort === 22) socket.destroy()
    else forward(socket, port.containerPort)
  })
  return { ...port, hostPort }
})

const listen = (port: number, onConnection: (socket: Net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Net.Server; readonly sockets: Set<Net.Socket> }, ContainerFailure>(
        (resume) => {
          const sockets = new Set<Net.Socket>()
          const server = Net.createServer({ allowHalfOpen: true }, (socket) => {
            sockets.add(socket)
            socket.on("close", () => sockets.delete(socket))
            socket.on("error", () => socket.destroy())
            onConnection(socket)
          })
          server.once("error", ({ message }) =>
            resume(Effect.fail(new ContainerFailure({ message: `port ${port} cannot be allocated: ${message}` }))))
          server.listen(port, loopback, () =>
            resume(Effect.succeed({ server, sockets })))
        }
      ),
      ({ server, sockets }) =>
        Effect.callback<void>((resume) => {
          server.close(() =>
            resume(Effect.void)
          )
          for (const socket of sockets) socket.destroy()
        })
    ),
    ({ server }) => (server.address() as Net.AddressInfo).port
  )

const forward = (from: Net.Socket, port: number) => {
  const to = Net.connect({ host: "localhost", port, allowHalfOpen: true })
  to.on("error", () => from.destroy())
  from.on("close", () => to.destroy())
  from.pipe(to)
  to.pipe(from)
}
