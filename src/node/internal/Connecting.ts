import { Socket } from "node:net"
import type { buildConnector, Dispatcher } from "undici"
import { Client, Pool } from "./undici.ts"

const closed = new Error("The client was closed while a connection was being made")

/**
 * The connections that are being made. An agent that is destroyed lets them go on, and the process with them: in a black
 * hole until the system gives up, which takes minutes.
 */
export class Connecting {
  readonly #sockets = new Set<Socket>()

  /** The factory of an agent, as its own but for that. */
  readonly pool = (origin: string | URL, options: object): Dispatcher =>
    new Pool(origin, {
      ...options,
      factory: (to, { connect, ...others }: { readonly connect?: buildConnector.connector }) =>
        new Client(to, connect === undefined ? others : { ...others, connect: this.#watched(connect) })
    })

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy(closed)
  }

  #watched(connect: (...args: Parameters<buildConnector.connector>) => unknown): buildConnector.connector {
    return (to, callback) => {
      let isOver = false
      // It may call back before it returns.
      let socket: unknown
      // Undici's own connector returns the socket; one of the user's, which may not, is the user's to close.
      socket = connect(to, (...result) => {
        isOver = true
        if (socket instanceof Socket) this.#sockets.delete(socket)
        callback(...result)
      })
      if (!isOver && socket instanceof Socket) this.#sockets.add(socket)
    }
  }
}
