import type { ApiError } from "./ApiError.ts"
import type { AuthenticationError } from "./AuthenticationError.ts"
import type { AuthorizationError } from "./AuthorizationError.ts"
import type { ConfigurationError } from "./ConfigurationError.ts"
import type { Conflict } from "./Conflict.ts"
import type { DeploymentError } from "./DeploymentError.ts"
import type { DeployOutcomeUnknown } from "./DeployOutcomeUnknown.ts"
import { brand } from "./internal/TaggedError.ts"
import type { InvalidResponse } from "./InvalidResponse.ts"
import type { LogGap } from "./LogGap.ts"
import type { NetworkError } from "./NetworkError.ts"
import type { NotFound } from "./NotFound.ts"
import type { RateLimited } from "./RateLimited.ts"
import type { StopUnconfirmed } from "./StopUnconfirmed.ts"
import type { TimeoutError } from "./TimeoutError.ts"

/** Any error of this package, to be told apart by `_tag`. */
export type BasilicaError =
  | ApiError
  | AuthenticationError
  | AuthorizationError
  | ConfigurationError
  | Conflict
  | DeploymentError
  | DeployOutcomeUnknown
  | InvalidResponse
  | LogGap
  | NetworkError
  | NotFound
  | RateLimited
  | StopUnconfirmed
  | TimeoutError

/** Whether something that was caught is an error of this package, of whichever of its entry points or copies. */
export const isBasilicaError = (error: unknown): error is BasilicaError => Object(error)[brand] !== undefined
