import { Effect, type Scope } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { RefreshTokens } from "../../src/server/RefreshTokens.ts"

/** A request, as far as an identity provider looks at it. */
export interface ProviderRequest {
  readonly method: string
  readonly path: string
  readonly authorization?: string | undefined
  readonly body: string
}

export interface ProviderReply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Record<string, string>
}

/** What may go wrong with a request, apart from what it deserves. */
export type Fault =
  /** It is carried out, and the connection breaks before the reply. */
  | "lose the reply"
  /** It is carried out, and half of the reply arrives. */
  | "cut the reply"
  /** The connection breaks, and nothing was done. */
  | "drop"
  /** Nothing ever comes. */
  | "hang"
  | ProviderReply

export interface ProviderOptions {
  /** How long access tokens live. Default: an hour. */
  readonly lifetimeSeconds?: number
  /** Whether a used refresh token is taken once more, as Auth0 does within its overlap. Default: not. */
  readonly overlap?: boolean
  /** Its clock. Default: that of this machine. */
  readonly now?: () => number
  /** How long who waits for a person leaves it alone between two questions. Default: 5. */
  readonly deviceIntervalSeconds?: number
  /** Leaves `expires_in` out of the replies. */
  readonly withoutLifetime?: boolean
}

interface Refresh {
  uses: number
  /** Whether the reply to its first use was lost. */
  lost: boolean
}

const clientId = "CVwgCKL9MT5txAGRLCUQu89rvKXAwOVB"

/**
 * An identity provider that rotates refresh tokens by the rules of the local Basilica, with an API behind it that takes its
 * access tokens. Unlike that one it has faults, keeps count, answers at once, and signs nothing. It knows nothing of how
 * requests come to it.
 */
export class IdentityProvider {
  /** How many times a refresh token was given away for new tokens. */
  exchanges = 0
  /** How many times an access token was refused. */
  refusals = 0
  /** How many refresh tokens were revoked by a sign-out. */
  revoked = 0
  /** How many calls of the API were accepted. */
  accepted = 0
  readonly requests: Array<ProviderRequest> = []
  /** The fault of a request, if any; `count` counts the requests of that path, from 1. */
  fault: (request: ProviderRequest, count: number) => Fault | undefined = () => undefined
  /** Called before each call of the API is answered. */
  onCall: () => void = () => {}
  /** What a device that asks for its tokens is told, in order; then it is signed in. */
  devicePolls: Array<string> = []
  readonly #options: ProviderOptions
  readonly #refresh = new Map<string, Refresh>()
  readonly #rotation: RefreshTokens<true>
  readonly #counts = new Map<string, number>()
  #access: string | undefined
  #serial = 0

  constructor(options: ProviderOptions = {}) {
    this.#options = options
    this.#rotation = new RefreshTokens(options.overlap === true ? Infinity : 0)
  }

  /** A new sign-in. */
  signIn(): { readonly accessToken: string; readonly refreshToken: string } {
    const tokens = this.#issue()
    this.#rotation.begin(tokens.refreshToken, true)
    return tokens
  }

  /** The access token that the API takes now. */
  get accessToken(): string {
    return this.#access ?? ""
  }

  /** From now on the API refuses the access token that it took so far. */
  expire(): void {
    this.#access = undefined
  }

  /** Ends every sign-in. */
  revokeAll(): void {
    for (const token of this.#refresh.keys()) this.#rotation.revoke(token)
  }

  /** Refresh tokens that were used more often than they may: once, and once more after a lost reply. */
  get abused(): ReadonlyArray<number> {
    return [...this.#refresh.values()].filter(({ lost, uses }) => uses > (lost ? 2 : 1)).map(({ uses }) => uses)
  }

  /** How many refresh tokens were used twice. */
  get resent(): number {
    return [...this.#refresh.values()].filter(({ uses }) => uses === 2).length
  }

  /** The fault that this request is to meet. Ask once for each request. */
  faultOf(request: ProviderRequest): Fault | undefined {
    this.requests.push(request)
    const count = (this.#counts.get(request.path) ?? 0) + 1
    this.#counts.set(request.path, count)
    return this.fault(request, count)
  }

  /** Carries a request out. `lost`: its reply will not arrive. */
  handle({ authorization, body, method, path }: ProviderRequest, lost = false): ProviderReply {
    const form = new URLSearchParams(body)
    if (method === "POST" && path.startsWith("/oauth/") && form.get("client_id") !== clientId) {
      return { status: 401, body: { error: "invalid_client" } }
    }
    if (path === "/oauth/token" && method === "POST") {
      return form.get("grant_type") === "refresh_token"
        ? this.#renew(form.get("refresh_token") ?? "", lost)
        : this.#poll()
    }
    if (path === "/oauth/device/code" && method === "POST") {
      return {
        status: 200,
        body: {
          device_code: "canary-device-code",
          user_code: "WDJB-MJHT",
          verification_uri: "https://sign.in/activate",
          verification_uri_complete: "https://sign.in/activate?user_code=WDJB-MJHT",
          expires_in: 600,
          interval: this.#options.deviceIntervalSeconds ?? 5
        }
      }
    }
    if (path === "/oauth/revoke" && method === "POST") {
      const token = form.get("token") ?? ""
      if (this.#refresh.has(token)) this.revoked++
      this.#rotation.revoke(token)
      return { status: 200, body: {} }
    }
    this.onCall()
    if (authorization === undefined || authorization !== `Bearer ${this.#access}`) {
      this.refusals++
      return {
        status: 401,
        body: { error: { code: "BASILICA_API_AUTH_ERROR", message: "Authentication error: the token is not valid" } }
      }
    }
    this.accepted++
    return { status: 200, body: { available_executors: [], total_count: 0 } }
  }

  #renew(token: string, lost: boolean): ProviderReply {
    const found = this.#refresh.get(token)
    if (found === undefined) return { status: 403, body: { error: "invalid_grant", error_description: `no ${token}` } }
    found.uses++
    if (found.uses === 1) found.lost = lost
    const next = `canary-refresh-${this.#serial}`
    if (this.#rotation.rotate(token, next, this.#now) === undefined) {
      return { status: 403, body: { error: "invalid_grant", error_description: `revoked ${token}` } }
    }
    this.exchanges++
    return this.#granted(this.#issue())
  }

  #poll(): ProviderReply {
    const error = this.devicePolls.shift()
    return error === undefined ? this.#granted(this.signIn()) : { status: 403, body: { error } }
  }

  #granted({ accessToken, refreshToken }: { readonly accessToken: string; readonly refreshToken: string }) {
    const lifetime = this.#options.withoutLifetime === true ? {} : { expires_in: this.#lifetime }
    return {
      status: 200,
      body: { access_token: accessToken, refresh_token: refreshToken, token_type: "Bearer", ...lifetime },
      headers: { date: new Date(this.#now).toUTCString() }
    }
  }

  #issue() {
    const iat = Math.floor(this.#now / 1000)
    const serial = this.#serial++
    const claims = { iat, exp: iat + this.#lifetime, jti: `canary-access-${serial}` }
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const accessToken = `${part({ alg: "none" })}.${part(claims)}.canary-access-${serial}`
    const refreshToken = `canary-refresh-${serial}`
    this.#access = accessToken
    this.#refresh.set(refreshToken, { uses: 0, lost: false })
    return { accessToken, refreshToken }
  }

  get #lifetime(): number {
    return this.#options.lifetimeSeconds ?? 3600
  }

  get #now(): number {
    return this.#options.now?.() ?? Date.now()
  }
}

/** The provider as a real server on loopback. */
export const serveIdentityProvider = (
  provider: IdentityProvider
): Effect.Effect<{ readonly url: string }, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
        const sockets = new Set<Socket>()
        const server = createServer((incoming, outgoing) => {
          const chunks: Array<Buffer> = []
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
          incoming.on("end", () => {
            const request: ProviderRequest = {
              method: incoming.method ?? "",
              path: incoming.url ?? "",
              authorization: incoming.headers.authorization,
              body: Buffer.concat(chunks).toString()
            }
            const fault = provider.faultOf(request)
            if (fault === "hang") return
            const lost = fault === "lose the reply" || fault === "cut the reply"
            if (fault === "drop") incoming.socket.destroy()
            else answer(outgoing, typeof fault === "object" ? fault : provider.handle(request, lost), fault)
          })
        })
        server.on("connection", (socket: Socket) => {
          sockets.add(socket)
          socket.on("close", () => sockets.delete(socket))
        })
        server.listen(0, "127.0.0.1", () => {
          resume(Effect.succeed({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            close: () => {
              for (const socket of sockets) socket.destroy()
              server.close()
            }
          }))
        })
      }),
      (server) => Effect.sync(server.close)
    ),
    ({ url }) => ({ url })
  )

const answer = (outgoing: ServerResponse, reply: ProviderReply, fault: Fault | undefined): void => {
  const text = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body)
  if (fault === "lose the reply") {
    outgoing.destroy()
    return
  }
  outgoing.writeHead(reply.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...reply.headers
  })
  if (fault === "cut the reply") outgoing.write(text.slice(0, text.length / 2), () => outgoing.destroy())
  else outgoing.end(text)
}
