/** A runtime without files: a browser, a Worker. */
import * as Layer from "effect/Layer"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { DeployJournal } from "../services/DeployJournal.ts"
import { invalid } from "../services/Input.ts"
import { TokenStore } from "../services/TokenStore.ts"

const unsupported = (field: string) =>
  invalid("BasilicaClient", field, "needs files; allowed: on Node, Bun and Deno, in a bundle for them")

/** The token file at a path. Default: that of the official command line. */
export const tokenFile = (_path: string | undefined): Layer.Layer<TokenStore, ConfigurationError> =>
  Layer.effect(TokenStore, unsupported("tokenFile"))

/** The journal of deploys at a path. */
export const journalFile = (_path: string): Layer.Layer<DeployJournal, ConfigurationError> =>
  Layer.effect(DeployJournal, unsupported("journalFile"))
