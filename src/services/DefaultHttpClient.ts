/** The transport that fits the runtime: undici on Node, elsewhere `fetch`. */
export { layer } from "#http-client"
