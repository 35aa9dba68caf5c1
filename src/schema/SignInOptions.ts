/** Where and as what a person signs in. For each, the option wins over the environment, and that over the default. */
export interface SignInOptions {
  /**
   * The host of the sign-in service, or its URL; http is allowed to this machine alone. Environment:
   * `BASILICA_AUTH0_DOMAIN`. Default: that of Basilica, `dev-ndynjuhl74mrh162.us.auth0.com`.
   */
  readonly domain?: string | undefined
  /** The public client to sign in as. Environment: `BASILICA_AUTH0_CLIENT_ID`. Default: that of the command line. */
  readonly clientId?: string | undefined
  /** What the tokens are for. Environment: `BASILICA_AUTH0_AUDIENCE`. Default: `https://api.basilica.ai/`. */
  readonly audience?: string | undefined
}

/** What is signed in at where nothing else is said: Basilica's own service, as the official command line. */
export const signInDefaults = {
  domain: "dev-ndynjuhl74mrh162.us.auth0.com",
  clientId: "CVwgCKL9MT5txAGRLCUQu89rvKXAwOVB",
  audience: "https://api.basilica.ai/"
} as const
