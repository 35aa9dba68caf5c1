/// <reference lib="esnext.disposable" />
/**
 * Basilica for plain TypeScript: promises, and `for await` over logs.
 */
import type * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Basilica from "./Basilica.ts"
import type { ConfigurationError } from "./errors/ConfigurationError.ts"
import { type CallOptions, refusingSignals } from "./promise/CallOptions.ts"
import * as Files from "./promise/Files.ts"
import { beforeProcessEnds } from "./promise/processEnd.ts"
import { Runner } from "./promise/Runner.ts"
import type { ApiKey } from "./schema/ApiKey.ts"
import type { DeployIntent } from "./schema/DeployIntent.ts"
import type { Deployment } from "./schema/Deployment.ts"
import type { DeploymentConfig } from "./schema/DeploymentConfig.ts"
import type { DeploymentStatus } from "./schema/DeploymentStatus.ts"
import type { ShowCode, WaitingForCode } from "./schema/DeviceLoginStep.ts"
import type { Executor } from "./schema/Executor.ts"
import type { ExecutorFilters } from "./schema/ExecutorFilters.ts"
import type { HealthStatus } from "./schema/HealthStatus.ts"
import type { ListFilters } from "./schema/ListFilters.ts"
import type { Listing } from "./schema/Listing.ts"
import type { LogEntry, LogOptions } from "./schema/LogEntry.ts"
import type { Reconciled } from "./schema/Reconciled.ts"
import type { SignInOptions } from "./schema/SignInOptions.ts"
import { ApiKeys } from "./services/ApiKeys.ts"
import { Auth } from "./services/Auth.ts"
import { baseUrlOfEnvironment, optionsReader } from "./services/ClientOptions.ts"
import * as DefaultHttpClient from "./services/DefaultHttpClient.ts"
import { DeployJournal } from "./services/DeployJournal.ts"
import { Deployments } from "./services/Deployments.ts"
import { Executors } from "./services/Executors.ts"
import { Health } from "./services/Health.ts"
import { invalid } from "./services/Input.ts"
import { TokenStore } from "./services/TokenStore.ts"

/** A length of time: milliseconds, or a text such as `"30 seconds"` or `"1 minute"`. */
export type Duration = number | `${number} ${"milli" | "second" | "minute" | "hour" | "day" | "week"}${"" | "s"}`

/** Options of {@link BasilicaClient}. */
export interface BasilicaClientOptions {
  /** Default: `BASILICA_API_URL`, or `https://api.basilica.ai`. http is allowed to this machine alone. */
  readonly baseUrl?: string | undefined
  /**
   * An API key (`basilica_...`) or an access token. Default: `BASILICA_API_TOKEN`, and without that the sign-in of
   * `tokenFile`.
   */
  readonly token?: string | undefined
  /**
   * Renews the access token, before it expires and when the service refuses it. A refresh token works once: do not
   * share it between programs. Default: `BASILICA_REFRESH_TOKEN`, if the token is that of the environment too.
   */
  readonly refreshToken?: string | undefined
  /** The sign-in service and client that issued the token. Default: Basilica's. */
  readonly signIn?: SignInOptions | undefined
  /**
   * The file that keeps a sign-in: `true` for that of the official command line, or a path. Needs Node, Bun or Deno.
   * Default: none.
   */
  readonly tokenFile?: boolean | string | undefined
  /**
   * The path of a file where deploys are written down before they are sent, for `deployments.reconcile` after a crash. One
   * program uses it at a time. Needs Node, Bun or Deno. Default: none.
   */
  readonly journalFile?: string | undefined
  /** The deadline of a call, all attempts together. Default: 60 seconds. */
  readonly timeout?: Duration | undefined
  /** The deadline of a deploy. Default: 18 minutes, above what the service takes at most. */
  readonly deployTimeout?: Duration | undefined
}

/** How to deploy. */
export interface DeployOptions extends CallOptions {
  /** The deadline for everything. Default: the option `deployTimeout` of the client. */
  readonly timeout?: Duration | undefined
  /**
   * Send the create a second time where the reply of the first was lost and no deployment is to be seen this long after.
   * At least 16 minutes. Default: never.
   *
   * It makes no second *listed* deployment. A machine that the service started and never listed can be seen by no client:
   * with this option you may pay for one, and get another.
   */
  readonly resubmitAfter?: Duration | undefined
}

/** How to wait for a deployment. */
export interface WaitOptions extends CallOptions {
  /** The deadline for everything. Default: 15 minutes. */
  readonly timeout?: Duration | undefined
  /** How long to wait between two looks. Default: 2 seconds. */
  readonly interval?: Duration | undefined
}

/** How to watch a deployment. */
export interface WatchOptions extends CallOptions {
  /** How long to wait between two looks. Default: 5 seconds. */
  readonly interval?: Duration | undefined
}

/** How to finish what a crash left. */
export interface ReconcileOptions extends CallOptions {
  /**
   * What to do with a deployment whose reply was lost in the crash. Default: `"stop"`. Those that were `scoped` are
   * stopped in any case.
   */
  readonly found?: "stop" | "adopt" | undefined
  /**
   * How long to look for a deployment that is not to be seen. Default: until 16 minutes after its request was sent, when
   * the service is done with it. What is cut short stays in the journal.
   */
  readonly timeout?: Duration | undefined
}

/** A step of {@link BasilicaClient.deviceLogin}. */
export type DeviceLoginStep =
  | ShowCode
  | WaitingForCode
  | {
    /** The last step. */
    readonly _tag: "SignedIn"
    /** Where the sign-in was kept; `undefined` where it could not be, which was logged. */
    readonly location: string | undefined
  }

/** A secret that prints as `<redacted>` until it is asked for. */
export interface Secret {
  /** The secret itself. */
  reveal(): string
  /** `<redacted>`. */
  toString(): string
}

/** A key that was just made, with its secret, which is shown this one time. */
export interface CreatedApiKey extends ApiKey {
  /** The key itself: `basilica_...`. */
  readonly token: Secret
}

/** A deployment that is stopped when its block ends. */
export type ScopedDeployment = Deployment & AsyncDisposable

/** The machines that can be rented. */
export interface ExecutorsClient {
  /** Lists the machines that are free. One that cannot be understood is in `invalid`, beside the others. */
  listAvailable(filters?: ExecutorFilters, options?: CallOptions): Promise<Listing<Executor>>
  /** Finds one machine among those that are free. Rejects with `NotFound` where it is not. */
  get(id: string, options?: CallOptions): Promise<Executor>
}

/** What runs on the machines, and is billed while it does. */
export interface DeploymentsClient {
  /**
   * Deploys a container. The request is sent once, and again only after a 401, with a fresh token: then nothing was done. The
   * promise resolves when the container runs.
   *
   * Rejects with `DeploymentError` where the service refused, with `DeployOutcomeUnknown` where a machine may be running
   * though no good reply came. If it is cancelled before it is sent, it is not sent; after that, what comes back is stopped:
   * `close()` waits for that, and rejects with `DeployOutcomeUnknown` where nobody learns what came of it.
   */
  deploy(config: DeploymentConfig, options?: DeployOptions): Promise<Deployment>
  /**
   * Deploys for a block: `await using job = await basilica.deployments.scoped(config)` stops it at the block's end, and
   * `close()` stops what is still held, and so does a process that has nothing more to do, or gets a SIGINT, SIGTERM or
   * SIGHUP. (After `process.exit` or an error that nobody catches it runs on, and that is logged.) `await using` needs
   * Node 24, or `tsx` or `tsc`.
   *
   * The disposal, or `close()`, rejects with `StopUnconfirmed` where nothing proves that it worked, also because the token
   * does not allow it any more.
   */
  scoped(config: DeploymentConfig, options?: DeployOptions): Promise<ScopedDeployment>
  /**
   * Finishes what a crash of this program left: call it at the start. Each deploy that was begun and not finished is looked
   * for, and stopped or handed over. One that was begun at another service or by another account is `Unresolved`.
   *
   * Rejects with `ConfigurationError` without the option `journalFile` of the client.
   */
  reconcile(options?: ReconcileOptions): Promise<ReadonlyArray<Reconciled>>
  /** One deployment. Rejects with `NotFound` also after it was stopped. */
  get(id: string, options?: CallOptions): Promise<Deployment>
  /** Your deployments, without those that you stopped. */
  list(filters?: ListFilters, options?: CallOptions): Promise<Listing<Deployment>>
  /** The state of one deployment. */
  status(id: string, options?: CallOptions): Promise<DeploymentStatus>
  /**
   * Stops a deployment, and resolves on proof alone. Rejects with `StopUnconfirmed` where there is none, and names the
   * deployment in its `id` where the token does not allow it.
   */
  stop(id: string, options?: CallOptions): Promise<void>
  /** Waits until it runs. Rejects with `DeploymentError` where it ended instead, `TimeoutError` where time runs out. */
  waitUntilRunning(id: string, options?: WaitOptions): Promise<Deployment>
  /**
   * Its log, line by line: the lines there are, or with `follow` until the deployment ends. Nothing is read before it is
   * asked for; leaving the loop closes the connection.
   */
  logs(id: string, options?: LogOptions & CallOptions): AsyncIterableIterator<LogEntry, undefined>
  /** The changes of its state, first the present one, until it ends. */
  watch(id: string, options?: WatchOptions): AsyncIterableIterator<DeploymentStatus, undefined>
}

/** Your API keys. The service lets a person's access token manage them, not another API key. */
export interface ApiKeysClient {
  /** Makes a key. Its secret is shown this one time. */
  create(name: string, options?: CallOptions): Promise<CreatedApiKey>
  /** Lists your keys, newest first, without their secrets. */
  list(options?: CallOptions): Promise<Listing<ApiKey>>
  /** Revokes a key. Rejects with `NotFound` where there is none of that name. */
  revoke(name: string, options?: CallOptions): Promise<void>
}

/**
 * A client of Basilica. Make one for your program and close it at the end, or declare it with `await using`, which needs
 * Node 24, or `tsx` or `tsc`.
 *
 * A call that fails rejects with one of the error classes of this module, to be told apart with `instanceof` or by `_tag`.
 * One that its signal cancels rejects with the signal's reason: of `AbortSignal.timeout` a `DOMException` whose name is
 * `TimeoutError`, which is not the class of this module.
 */
export class BasilicaClient implements AsyncDisposable {
  /** The machines that can be rented. */
  readonly executors: ExecutorsClient
  /** What runs on them. */
  readonly deployments: DeploymentsClient
  /** Your API keys. */
  readonly apiKeys: ApiKeysClient
  readonly #runner: Runner<Basilica.Services>
  readonly #signIn: SignInOptions | undefined
  /** What signing in and out needs; what the runner has of it already is not made again. */
  readonly #signInLayer: Layer.Layer<TokenStore | HttpClient.HttpClient, ConfigurationError>

  constructor(options: BasilicaClientOptions = {}) {
    const store = tokenStore(options.tokenFile)
    const runner = new Runner(layerFrom(options, store))
    this.#runner = runner
    this.#signIn = options.signIn
    this.#signInLayer = Layer.merge(store, DefaultHttpClient.layer)
    this.executors = refusingSignals({
      listAvailable: (filters, call) =>
        runner.run(Executors.use((executors) => executors.listAvailable(filters)), call),
      get: (id, call) => runner.run(Executors.use((executors) => executors.get(id)), call)
    })
    this.deployments = refusingSignals({
      deploy: (config, { signal, ...deploy } = {}) =>
        runner.run(Deployments.use((deployments) => deployments.deploy(config, deploy)), { signal }),
      scoped: async (config, { signal, ...deploy } = {}) => {
        const scope = Scope.makeUnsafe()
        const scoped = Deployments.use((deployments) => Scope.provide(deployments.scoped(config, deploy), scope))
        let stopping: Promise<void> | undefined
        let closing: Fiber.Fiber<void> | undefined
        const begin = () => closing ??= Effect.runFork(Scope.close(scope, Exit.void))
        const stop = () => stopping ??= runner.finish(Fiber.join(begin()))
        let what = "a deploy that is under way"
        const forget = beforeProcessEnds(() => this.close(), () => what)
        const release = () => {
          runner.onClosed.delete(release)
          runner.held.delete(begin)
          forget()
        }
        runner.onClosed.add(release)
        try {
          const deployment = await runner.run(scoped, { signal })
          what = `deployment ${deployment.id}`
          runner.held.add(begin)
          // What was not stopped for certain is stopped again by the close, or at the end of the process.
          return { ...deployment, [Symbol.asyncDispose]: () => stop().then(release) }
        } catch (error) {
          // A deploy that was cancelled is let finish, and what came of it is stopped here.
          await stop().finally(release)
          throw error
        }
      },
      reconcile: ({ signal, ...reconcile } = {}) =>
        runner.run(Deployments.use((deployments) => deployments.reconcile(reconcile)), { signal }),
      get: (id, call) => runner.run(Deployments.use((deployments) => deployments.get(id)), call),
      list: (filters, call) => runner.run(Deployments.use((deployments) => deployments.list(filters)), call),
      status: (id, call) => runner.run(Deployments.use((deployments) => deployments.status(id)), call),
      stop: (id, call) => runner.run(Deployments.use((deployments) => deployments.stop(id)), call),
      waitUntilRunning: (id, { signal, ...wait } = {}) =>
        runner.run(Deployments.use((deployments) => deployments.waitUntilRunning(id, wait)), { signal }),
      logs: (id, { signal, ...log } = {}) =>
        runner.iterate(Deployments.useSync((deployments) => deployments.logs(id, log)), { signal }),
      watch: (id, { signal, ...watch } = {}) =>
        runner.iterate(Deployments.useSync((deployments) => deployments.watch(id, watch)), { signal })
    })
    this.apiKeys = {
      create: async (name, call) => {
        const { token, ...key } = await runner.run(ApiKeys.use((apiKeys) => apiKeys.create(name)), call)
        return { ...key, token: secret(token) }
      },
      list: (call) => runner.run(ApiKeys.use((apiKeys) => apiKeys.list), call),
      revoke: (name, call) => runner.run(ApiKeys.use((apiKeys) => apiKeys.revoke(name)), call)
    }
  }

  /** Whether the service answers. Needs no token. */
  health(options?: CallOptions): Promise<HealthStatus> {
    return this.#runner.run(Health.use((health) => health.check), options)
  }

  /**
   * Signs a person in with a code that is entered in any browser, and keeps the sign-in in the `tokenFile`, which this
   * client needs. Its calls use it from then on, unless it was given another token, and so does every program with that
   * store. Ends with the step `SignedIn`; leaving the loop before gives it up.
   *
   * Rejects with `AuthenticationError` where the code was not entered within its time, 10 minutes at most, or the sign-in
   * was declined.
   */
  deviceLogin(options?: CallOptions): AsyncIterableIterator<DeviceLoginStep, undefined> {
    const steps = Auth.deviceLogin(this.#signIn).pipe(
      Stream.map((step): DeviceLoginStep =>
        step._tag === "SignedIn" ? { _tag: step._tag, location: step.location } : step
      ),
      Stream.provide(this.#signInLayer)
    )
    return this.#runner.iterate(Effect.succeed(steps), options)
  }

  /**
   * Ends the sign-in that the `tokenFile` keeps: makes its refresh token worthless, then forgets it. Rejects with
   * `AuthenticationError` where the first fails: then nothing is forgotten. An access token that a program holds stays good
   * until it expires, some hours at most.
   */
  signOut(options?: CallOptions): Promise<void> {
    return this.#runner.run(Effect.provide(Auth.signOut(this.#signIn), this.#signInLayer), options)
  }

  /**
   * Cancels what runs and closes all connections. A deploy that was cancelled is waited for and stopped, and so is what is
   * still held by `scoped`; other deployments run on. What was cancelled, or fails meanwhile, is rejected after that.
   *
   * Rejects with `StopUnconfirmed` where nothing proves that a stop worked, with `DeployOutcomeUnknown` where nobody knows
   * what came of a deploy that was cancelled, with an `AggregateError` of them for several.
   */
  close(): Promise<void> {
    return this.#runner.close()
  }

  /** As {@link BasilicaClient.close}, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What is not said in the options is taken from the environment, as it is now. */
const layerFrom = (
  options: BasilicaClientOptions,
  store: Layer.Layer<TokenStore, ConfigurationError>
): Layer.Layer<Basilica.Services, ConfigurationError> =>
  Layer.unwrap(Effect.gen(function*() {
    yield* readOptions(options)
    const { baseUrl, deployTimeout, journalFile, refreshToken, timeout, token, tokenFile } = options
    const auth = tokenFile === undefined || tokenFile === false
      ? Auth.layerConfig
      : Layer.provide(Auth.layerConfigOrFile, store)
    const services = Basilica.layer({
      baseUrl: baseUrl ?? (yield* baseUrlOfEnvironment),
      deployTimeout,
      refreshToken,
      timeout,
      token,
      auth: Layer.catchTag(auth, "ConfigError", unreadable)
    })
    return journalFile === undefined ? services : Layer.provide(services, journal(journalFile))
  })).pipe(
    Layer.catchTag("ConfigError", unreadable),
    // What a program prints is its own.
    Layer.provideMerge(Layer.succeed(Logger.LogToStderr, true)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.orElse(fromOptions(options.signIn), ConfigProvider.fromEnv())))
  )

const name = "BasilicaClient"

const readOptions = optionsReader(name, [
  "baseUrl",
  "token",
  "refreshToken",
  "signIn",
  "tokenFile",
  "journalFile",
  "timeout",
  "deployTimeout"
])

const tokenStore = (file: unknown): Layer.Layer<TokenStore, ConfigurationError> => {
  if (file === true) return Files.tokenFile(undefined)
  if (isPath(file)) return Files.tokenFile(file)
  const problem = file === undefined || file === false ? "is missing" : "is no path"
  const allowed = "true for the file of the official command line, or a path"
  return Layer.effect(TokenStore, invalid(name, "tokenFile", `${problem}; allowed: ${allowed}`))
}

const journal = (file: unknown): Layer.Layer<DeployJournal, ConfigurationError> =>
  isPath(file)
    ? Files.journalFile(file)
    : Layer.effect(DeployJournal, invalid(name, "journalFile", "is no path; allowed: the path of a file"))

const isPath = (file: unknown): file is string => typeof file === "string" && file !== ""

/** The sign-in service of the options, before that of the environment. */
const fromOptions = ({ audience, clientId, domain }: SignInOptions = {}): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromEnvRecord({
    BASILICA_AUTH0_DOMAIN: domain,
    BASILICA_AUTH0_CLIENT_ID: clientId,
    BASILICA_AUTH0_AUDIENCE: audience
  })

const unreadable = ({ message }: Config.ConfigError) =>
  Layer.effectContext(invalid(name, "environment", `cannot be read: ${message}`))

const secret = (redacted: Redacted.Redacted): Secret =>
  Object.defineProperty({ reveal: () => Redacted.value(redacted) }, "toString", { value: () => "<redacted>" })

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
export type { CallOptions } from "./promise/CallOptions.ts"
export type { GpuRequirements } from "./schema/DeploymentConfig.ts"
export type { CpuSpec, GpuSpec, Location, NetworkSpeed } from "./schema/Executor.ts"
export type { InvalidItem } from "./schema/Listing.ts"
export { LogCursor } from "./schema/LogCursor.ts"
export { PortMapping } from "./schema/PortMapping.ts"
export type { ResourceRequirements } from "./schema/ResourceRequirements.ts"
export type { SshAccess } from "./schema/SshAccess.ts"
export * as Timestamp from "./schema/Timestamp.ts"
export type { VolumeMount } from "./schema/VolumeMount.ts"
export type {
  ApiKey,
  DeployIntent,
  Deployment,
  DeploymentConfig,
  DeploymentStatus,
  Executor,
  ExecutorFilters,
  HealthStatus,
  ListFilters,
  Listing,
  LogEntry,
  LogOptions,
  Reconciled,
  SignInOptions
}
