/** The files of a program of promises. */
import type * as Layer from "effect/Layer"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import type { DeployJournal } from "../services/DeployJournal.ts"
import type { TokenStore } from "../services/TokenStore.ts"
import * as FileJournal from "./FileJournal.ts"
import * as TokenFile from "./TokenFile.ts"

/** The token file at a path. Default: that of the official command line. */
export const tokenFile = (path: string | undefined): Layer.Layer<TokenStore, ConfigurationError> =>
  TokenFile.layer({ path })

/** The journal of deploys at a path. */
export const journalFile = (path: string): Layer.Layer<DeployJournal, ConfigurationError> => FileJournal.layer({ path })
