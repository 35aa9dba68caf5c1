export * as Basilica from "./Basilica.ts"
export { ApiError } from "./errors/ApiError.ts"
export { AuthenticationError, type AuthenticationProblem } from "./errors/AuthenticationError.ts"
export { AuthorizationError } from "./errors/AuthorizationError.ts"
export { type BasilicaError, isBasilicaError } from "./errors/BasilicaError.ts"
export { ConfigurationError, type ConfigurationProblem } from "./errors/ConfigurationError.ts"
export { Conflict } from "./errors/Conflict.ts"
export { DeploymentError } from "./errors/DeploymentError.ts"
export { DeployOutcomeUnknown } from "./errors/DeployOutcomeUnknown.ts"
export { InvalidResponse } from "./errors/InvalidResponse.ts"
export { LogGap } from "./errors/LogGap.ts"
export { NetworkError } from "./errors/NetworkError.ts"
export { NotFound } from "./errors/NotFound.ts"
export type { Outcome, Phase } from "./errors/Outcome.ts"
export { RateLimited } from "./errors/RateLimited.ts"
export { StopUnconfirmed } from "./errors/StopUnconfirmed.ts"
export { TimeoutError } from "./errors/TimeoutError.ts"
export type { ApiKey } from "./schema/ApiKey.ts"
export type { Deployment } from "./schema/Deployment.ts"
export type { DeploymentConfig, GpuRequirements } from "./schema/DeploymentConfig.ts"
export { type DeploymentRequest, DeploymentRules } from "./schema/DeploymentRules.ts"
export type { DeploymentStatus } from "./schema/DeploymentStatus.ts"
export type { CpuSpec, Executor, GpuSpec, Location, NetworkSpeed } from "./schema/Executor.ts"
export type { ExecutorFilters } from "./schema/ExecutorFilters.ts"
export type { HealthStatus } from "./schema/HealthStatus.ts"
export type { ListFilters } from "./schema/ListFilters.ts"
export type { InvalidItem, Listing } from "./schema/Listing.ts"
export type { LogEntry, LogOptions } from "./schema/LogEntry.ts"
export { PortMapping } from "./schema/PortMapping.ts"
export type { Reconciled } from "./schema/Reconciled.ts"
export { defaultResources, type ResourceRequirements } from "./schema/ResourceRequirements.ts"
export type { SignInOptions } from "./schema/SignInOptions.ts"
export type { SshAccess } from "./schema/SshAccess.ts"
export * as Timestamp from "./schema/Timestamp.ts"
export type { VolumeMount } from "./schema/VolumeMount.ts"
export { LogCursor } from "./schema/wire/LogCursor.ts"
export { ApiKeys, type CreatedApiKey } from "./services/ApiKeys.ts"
export { Auth, type DeviceLoginStep, type TokensOptions } from "./services/Auth.ts"
export { DeployIntent, DeployJournal } from "./services/DeployJournal.ts"
export {
  type DeployError,
  Deployments,
  type DeploymentsOptions,
  type DeployOptions,
  type GetError,
  type ReconcileOptions,
  type StopError,
  type WaitOptions,
  type WatchOptions
} from "./services/Deployments.ts"
export { Executors } from "./services/Executors.ts"
export { Health } from "./services/Health.ts"
export { type LogError, LogStream } from "./services/LogStream.ts"
export { type Tokens, TokenStore, type TokenStoreLayer } from "./services/TokenStore.ts"
export {
  type Call,
  type CallError,
  defaultRetrySchedule,
  type Identity,
  type OnRefusal,
  type OpenCall,
  type OpenReply,
  type PublicCallError,
  type Refusal,
  Transport,
  type TransportOptions
} from "./services/Transport.ts"
