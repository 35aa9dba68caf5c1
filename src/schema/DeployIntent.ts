/** A deploy that was begun. Holds no secret: neither environment nor key. */
export interface DeployIntent {
  /** Names the intent in its journal. */
  readonly key: string
  readonly executorId: string
  readonly image: string
  /** The deployments that were there before. */
  readonly before: ReadonlyArray<string>
  /** When the request was about to be sent, RFC 3339. */
  readonly sentAt: string
  /** The base URL of the service that it was begun at. With it, an absent `account` is that of a token that says none. */
  readonly service?: string
  /** Who began it: the subject of an access token, or the id of an API key. */
  readonly account?: string
  /** Whether a scope holds it, which is to stop it. */
  readonly held?: boolean
  /** The deployment, once it is known. */
  readonly id?: string
}
