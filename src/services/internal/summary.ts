import type { ConfigurationError } from "../../errors/ConfigurationError.ts"
import type { DeploymentError } from "../../errors/DeploymentError.ts"
import { inSeconds } from "../../errors/inSeconds.ts"
import type { CallError } from "../Transport.ts"

/** What went wrong, in a clause of another error. */
export const summary = (error: CallError | DeploymentError | ConfigurationError): string => {
  switch (error._tag) {
    case "ApiError":
      return `the service answered ${error.status}${error.reason === "" ? "" : `, saying: ${error.reason}`}`
    case "NetworkError":
      return `the connection failed: ${error.reason}`
    case "TimeoutError":
      return error.lastFailure === undefined
        ? `there was no answer within ${inSeconds(error.afterMillis)}`
        : `${error.lastFailure}; there was no time to try again after ${inSeconds(error.afterMillis)}`
    case "InvalidResponse":
      return `the reply cannot be understood: ${error.reason}`
    case "RateLimited":
      return `there were too many requests (429)${
        error.retryAfterMillis === undefined
          ? ""
          : `, and the service asks to wait ${inSeconds(error.retryAfterMillis)}`
      }`
    case "AuthorizationError":
      return "it was not allowed (403)"
    case "ConfigurationError":
      return error.message
    default:
      return error.reason
  }
}
