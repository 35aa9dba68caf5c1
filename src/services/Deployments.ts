/**
 * Deployments: what runs on the machines, and is billed while it does.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ApiError } from "../errors/ApiError.ts"
import type { AuthenticationError } from "../errors/AuthenticationError.ts"
import type { AuthorizationError } from "../errors/AuthorizationError.ts"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { DeploymentError } from "../errors/DeploymentError.ts"
import { DeployOutcomeUnknown } from "../errors/DeployOutcomeUnknown.ts"
import type { NetworkError } from "../errors/NetworkError.ts"
import { NotFound } from "../errors/NotFound.ts"
import type { RateLimited } from "../errors/RateLimited.ts"
import { StopUnconfirmed } from "../errors/StopUnconfirmed.ts"
import { TimeoutError } from "../errors/TimeoutError.ts"
import type { Deployment } from "../schema/Deployment.ts"
import type { DeploymentConfig } from "../schema/DeploymentConfig.ts"
import { type DeploymentRequest, DeploymentRules, unquotedFields } from "../schema/DeploymentRules.ts"
import { type DeploymentStatus, isFinal } from "../schema/DeploymentStatus.ts"
import type { ListFilters } from "../schema/ListFilters.ts"
import type { Listing } from "../schema/Listing.ts"
import type { LogEntry, LogOptions } from "../schema/LogEntry.ts"
import * as Timestamp from "../schema/Timestamp.ts"
import {
  fromRequest,
  fromStartReply,
  ListFilterRules,
  StartRentalReply,
  StartRentalRequest
} from "../schema/wire/Rentals.ts"
import { reader, readId } from "./internal/Input.ts"
import { getRental, listedStatus, listRentals, rentalStatus } from "./internal/Rentals.ts"
import { type LogError, LogStream } from "./LogStream.ts"
import { type CallError, decodeWith, type OnRefusal, Transport } from "./Transport.ts"

/** What a deploy may fail with. Every other failure leaves its outcome unknown, and is reported as that. */
export type DeployError =
  | ConfigurationError
  | AuthenticationError
  | AuthorizationError
  | RateLimited
  | NetworkError
  | TimeoutError
  | DeploymentError
  | DeployOutcomeUnknown

/** What a stop may fail with. Everything that is not certain is `StopUnconfirmed`. */
export type StopError = ConfigurationError | AuthenticationError | AuthorizationError | NotFound | StopUnconfirmed

/** What asking about one deployment may fail with. */
export type GetError = ConfigurationError | CallError | NotFound

/** How to wait for a deployment. */
export interface WaitOptions {
  /** The deadline for everything. Default: 15 minutes. */
  readonly timeout?: Duration.Input | undefined
  /** How long to wait between two looks. Default: 2 seconds. */
  readonly interval?: Duration.Input | undefined
}

/** How to watch a deployment. */
export interface WatchOptions {
  /** How long to wait between two looks. Default: 5 seconds. */
  readonly interval?: Duration.Input | undefined
}

/** Options of {@link Deployments.layer}. */
export interface DeploymentsOptions {
  /**
   * The deadline of a deploy. Default: 16 minutes, above the 15 that the service takes at most: a shorter one makes
   * outcomes unknown that the service would still have told.
   */
  readonly deployTimeout?: Duration.Input | undefined
}

/** What runs on the machines. */
export class Deployments extends Context.Service<Deployments, {
  /**
   * Deploys a container. The request is sent once, whatever happens; the call returns when the container runs, which can
   * take minutes.
   *
   * Fails with `DeploymentError` where the service refused, with `DeployOutcomeUnknown` where a machine may be running
   * though no good reply came, and with the other errors only where nothing was done. If it is interrupted, the request
   * is left to finish in the background and what comes back is stopped; closing the layer waits for that.
   */
  deploy(config: DeploymentConfig): Effect.Effect<Deployment, DeployError>
  /** One deployment. `NotFound` also after it was stopped. */
  get(id: string): Effect.Effect<Deployment, GetError>
  /** Your deployments, without those that you stopped. What cannot be understood is in `invalid`, beside the others. */
  list(filters?: ListFilters): Effect.Effect<Listing<Deployment>, ConfigurationError | CallError>
  /** The state of one deployment. Asks the list where the service cannot look at the container. */
  status(id: string): Effect.Effect<DeploymentStatus, GetError>
  /**
   * Stops a deployment, and succeeds on proof alone. Sent again after a passing failure. `NotFound` where there was
   * nothing to stop; `StopUnconfirmed` where nothing proves that it worked.
   */
  stop(id: string): Effect.Effect<void, StopError>
  /** The log: the lines there are, or with `follow` until the deployment ends. See `LogStream.follow`. */
  logs(id: string, options?: LogOptions): Stream.Stream<LogEntry, LogError>
  /**
   * The changes of its state, first the present one, until it ends. Passing failures are waited out, ten in a row at
   * most. A deployment that is gone has stopped.
   */
  watch(id: string, options?: WatchOptions): Stream.Stream<DeploymentStatus, GetError>
  /**
   * Waits until it runs. Passing failures are waited out. Fails with `DeploymentError` where it ended instead, and with
   * `TimeoutError`, which holds the last state seen, where time runs out.
   */
  waitUntilRunning(id: string, options?: WaitOptions): Effect.Effect<Deployment, GetError | DeploymentError>
  /**
   * Deploys, and stops the deployment when the scope closes, also on failure and interruption. A stop that is not
   * certain then is logged and ends the scope with a defect: it must not pass in silence.
   */
  scoped(config: DeploymentConfig): Effect.Effect<Deployment, DeployError, Scope.Scope>
}>()("basilica-sdk/services/Deployments") {
  static readonly layer = (
    options: DeploymentsOptions = {}
  ): Layer.Layer<Deployments, never, Transport | LogStream> => Layer.effect(Deployments, make(options))
}

const make = Effect.fnUntraced(function*(options: DeploymentsOptions) {
  const transport = yield* Transport
  const logStream = yield* LogStream
  const deployTimeout = options.deployTimeout ?? "16 minutes"

  /** What is still done for deploys that nobody waits for any more. It ends before the layer does. */
  const abandoned = new Set<Fiber.Fiber<unknown, unknown>>()
  yield* Effect.addFinalizer(() => Effect.suspend(() => Fiber.awaitAll([...abandoned])))

  const create = Effect.fnUntraced(function*(request: DeploymentRequest) {
    const sentAt = DateTime.formatIso(yield* DateTime.now)
    return yield* transport.request<Deployment, DeploymentError>({
      operation: "Deployments.deploy",
      method: "POST",
      path: ["rentals"],
      body: encodeRequest(fromRequest(request)),
      scope: "rentals:create",
      timeout: deployTimeout,
      decode: (body) => Result.map(decodeStartReply(body), (reply) => fromStartReply(reply, request)),
      onRefusal
    }).pipe(Effect.catch((error): Effect.Effect<never, DeployError> => {
      switch (error._tag) {
        case "ApiError":
        case "InvalidResponse":
          return unknownOutcome(request, sentAt, error)
        case "NetworkError":
        case "TimeoutError":
          return error.outcome === "none" ? Effect.fail(error) : unknownOutcome(request, sentAt, error)
        default:
          return Effect.fail(error)
      }
    }))
  })

  const unknownOutcome = Effect.fnUntraced(function*(request: DeploymentRequest, sentAt: string, error: Error) {
    // A minute of grace, because the service's clock is not ours.
    const earliest = DateTime.formatIso(DateTime.subtract(DateTime.makeUnsafe(sentAt), { minutes: 1 }))
    const candidates = yield* listRentals(transport, "Deployments.deploy", {}).pipe(
      Effect.map(({ items }) =>
        items.filter((deployment) =>
          deployment.image === request.image
          && (request.executorId === undefined || deployment.executorId === request.executorId)
          && !isFinal(deployment.status)
          && Timestamp.compare(deployment.createdAt ?? sentAt, earliest) >= 0
        )
      ),
      Effect.orElseSucceed(() => [])
    )
    return yield* Effect.fail(
      new DeployOutcomeUnknown({
        operation: "Deployments.deploy",
        executorId: request.executorId,
        image: request.image,
        sentAt,
        candidates: candidates.map((deployment) => deployment.id),
        reason: summary(error)
      })
    )
  })

  const deploy = Effect.fn("Deployments.deploy")(function*(config: DeploymentConfig) {
    const request = yield* readConfig(config)
    yield* Effect.annotateCurrentSpan({ image: request.image, executor: request.executorId ?? "any" })
    yield* warnOfUnquoted(request)
    // Cutting the request could leave a machine that no list shows, so it runs on its own, out of reach of interruption.
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.forkDetach(create(request), { startImmediately: true, uninterruptible: false }),
        (creating) => Effect.onInterrupt(restore(Fiber.join(creating)), () => abandon(creating))
      )
    )
  })

  const abandon = Effect.fnUntraced(function*(creating: Fiber.Fiber<Deployment, DeployError>) {
    const cleaning = yield* Effect.forkDetach(stopWhatComesBack(creating), { startImmediately: true })
    abandoned.add(cleaning)
    cleaning.addObserver(() => abandoned.delete(cleaning))
  })

  const stopWhatComesBack = Effect.fnUntraced(function*(creating: Fiber.Fiber<Deployment, DeployError>) {
    const exit = yield* Fiber.await(creating)
    const error = Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause)
    if (Exit.isSuccess(exit)) yield* stopOrDie(exit.value.id)
    else if (error instanceof DeployOutcomeUnknown) yield* Effect.logError(`An interrupted deploy: ${error.message}`)
  })

  const stop = Effect.fn("Deployments.stop")(function*(id: string) {
    yield* readStopId(id)
    yield* Effect.annotateCurrentSpan("deployment", id)
    yield* transport.request<void, NotFound>({
      operation: "Deployments.stop",
      method: "DELETE",
      path: ["rentals", id],
      scope: "rentals:stop",
      decode: () => Result.void,
      onRefusal: ({ mayHaveRun, operation, requestId, status }) => {
        if (status !== 404) return undefined
        // A stopped deployment is not found any more: an earlier attempt worked, and its reply was lost.
        if (mayHaveRun) return Result.void
        return Result.fail(new NotFound({ operation, resource: "deployment", id, requestId }))
      }
    }).pipe(Effect.catch((error): Effect.Effect<void, StopError> => {
      switch (error._tag) {
        case "NotFound":
        case "AuthenticationError":
        case "AuthorizationError":
          return Effect.fail(error)
        default:
          return proveStopped(id, error)
      }
    }))
  })

  const proveStopped = (id: string, error: Error): Effect.Effect<void, StopUnconfirmed> => {
    const unconfirmed = (lastSeen?: DeploymentStatus) =>
      Effect.fail(
        new StopUnconfirmed({ operation: "Deployments.stop", id, reason: summary(error), lastSeen })
      )
    return rentalStatus(transport, "Deployments.stop", id).pipe(
      Effect.matchEffect({
        onSuccess: (state) => state._tag === "Stopped" && state.raw !== "Stopping" ? Effect.void : unconfirmed(state),
        onFailure: (failure) => failure._tag === "NotFound" ? Effect.void : unconfirmed()
      })
    )
  }

  /** Stops where nobody can be told of a failure but by a log and a defect. */
  const stopOrDie = (id: string): Effect.Effect<void> =>
    stop(id).pipe(
      Effect.retry({ schedule: insistent, while: (error) => error._tag === "StopUnconfirmed" }),
      Effect.catchTag("NotFound", () => Effect.void),
      Effect.tapError((error) => Effect.logError(error.message)),
      Effect.orDie
    )

  const status = Effect.fn("Deployments.status")(function*(id: string) {
    yield* readStatusId(id)
    yield* Effect.annotateCurrentSpan("deployment", id)
    return yield* rentalStatus(transport, "Deployments.status", id)
  })

  const watch = (
    id: string,
    { interval = "5 seconds" }: WatchOptions = {}
  ): Stream.Stream<DeploymentStatus, GetError> =>
    Stream.unwrap(Effect.map(readWatchId(id), () => {
      let seen = false
      let failures = 0
      const look = rentalStatus(transport, "Deployments.watch", id).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            seen = true
            failures = 0
          })
        ),
        Effect.catchTag("NotFound", (error) => seen ? Effect.succeed(gone) : Effect.fail(error)),
        Effect.catchIf((error) => error.retryable && ++failures <= 10, () => Effect.undefined)
      )
      return Stream.fromEffectSchedule(look, Schedule.spaced(interval)).pipe(
        Stream.filter((state) => state !== undefined),
        Stream.changesWith((left, right) =>
          left._tag === right._tag && (left._tag !== "Unknown" || left.raw === right.raw)
        ),
        Stream.takeUntil(isFinal)
      )
    })).pipe(Stream.withSpan("Deployments.watch", { attributes: { deployment: id } }))

  const waitUntilRunning = Effect.fn("Deployments.waitUntilRunning")(function*(id: string, wait: WaitOptions = {}) {
    const operation = "Deployments.waitUntilRunning"
    const { interval = "2 seconds", timeout = "15 minutes" } = wait
    yield* readWaitId(id)
    yield* Effect.annotateCurrentSpan("deployment", id)
    let lastSeen: DeploymentStatus | undefined

    const check = (state: DeploymentStatus): Effect.Effect<boolean, DeploymentError> => {
      lastSeen = state
      if (!isFinal(state)) return Effect.succeed(state._tag === "Running")
      const reason = state._tag === "Failed" ? "it failed before it ran" : "it stopped before it was seen running"
      const remedy = "Read its last lines with logs(id, { tail: 100 }), and stop it."
      return Effect.fail(new DeploymentError({ operation, id, reason, remedy, outcome: "done" }))
    }

    /** The deployment once it runs. Where the service cannot look at the container, the list tells if it has ended. */
    const look = getRental(transport, operation, id).pipe(
      Effect.flatMap((deployment) => Effect.map(check(deployment.status), (runs) => runs ? deployment : undefined)),
      Effect.catchTag("ApiError", (error) =>
        error.status < 500 ? Effect.fail(error) : Effect.flatMap(
          listedStatus(transport, operation, id),
          (listed): Effect.Effect<undefined, ApiError | DeploymentError> =>
            listed === undefined ? Effect.fail(error) : Effect.as(check(listed), undefined)
        )),
      Effect.catchIf((error) => error.retryable, () => Effect.undefined)
    )

    const looking = Effect.gen(function*() {
      while (true) {
        const found = yield* look
        if (found !== undefined) return found
        yield* Effect.sleep(interval)
      }
    })

    return yield* looking.pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () =>
          Effect.fail(
            new TimeoutError({
              operation,
              phase: "polling",
              afterMillis: Duration.toMillis(timeout),
              outcome: "done",
              lastSeen
            })
          )
      })
    )
  })

  return Deployments.of({
    deploy,
    get: Effect.fn("Deployments.get")(function*(id) {
      yield* readGetId(id)
      yield* Effect.annotateCurrentSpan("deployment", id)
      return yield* getRental(transport, "Deployments.get", id)
    }),
    list: Effect.fn("Deployments.list")(function*(filters = {}) {
      const listing = yield* listRentals(transport, "Deployments.list", yield* readFilters(filters))
      yield* Effect.annotateCurrentSpan("deployments", listing.items.length)
      return listing
    }),
    status,
    stop,
    logs: (id, log = {}) => logStream.follow(id, { follow: false, ...log }),
    watch,
    waitUntilRunning,
    scoped: (config) => Effect.acquireRelease(deploy(config), ({ id }) => stopOrDie(id))
  })
})

const readConfig = reader("Deployments.deploy", DeploymentRules, "config")
const readFilters = reader("Deployments.list", ListFilterRules, "filters")
const readGetId = readId("Deployments.get")
const readStatusId = readId("Deployments.status")
const readStopId = readId("Deployments.stop")
const readWatchId = readId("Deployments.watch")
const readWaitId = readId("Deployments.waitUntilRunning")
const decodeStartReply = decodeWith(StartRentalReply)
const encodeRequest = Schema.encodeSync(StartRentalRequest)

/** A deployment that was seen and is not found any more: it was stopped. */
const gone: DeploymentStatus = { _tag: "Stopped", raw: "not found" }

/** Five tries within about 15 seconds. */
const insistent = Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 4 }))

/** 401, 403, 408 and 429 have their own meaning; every other 4xx is the service's no. */
const onRefusal: OnRefusal<Deployment, DeploymentError> = ({ code, operation, reason, requestId, status }) =>
  status < 400 || status >= 500 || [401, 403, 408, 429].includes(status) ? undefined : Result.fail(
    new DeploymentError({
      operation,
      reason: reason === "" ? `the service refused it (${status})` : `${reason} (${status})`,
      remedy: status === 404
        ? "Executors.listAvailable shows which machines are free."
        : "Correct the config; nothing was deployed.",
      status,
      code,
      outcome: "none",
      requestId
    })
  )

const summary = (error: Error): string => {
  if (!(error instanceof ApiError)) return error.message
  return `the service answered ${error.status}${error.reason === "" ? "" : `, saying: ${error.reason}`}`
}

const warnOfUnquoted = (request: DeploymentRequest): Effect.Effect<void> => {
  const fields = unquotedFields(request)
  return fields.length === 0 ? Effect.void : Effect.logWarning(
    `Deployments.deploy: the service passes values to a shell without quotes; those of ${fields.join(", ")} hold ` +
      "characters that a shell splits at or acts on. Put such text into a file of the image."
  )
}
