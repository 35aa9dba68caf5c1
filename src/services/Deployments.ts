/**
 * Deployments: what runs on the machines, and is billed while it does.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { ApiError } from "../errors/ApiError.ts"
import { AuthenticationError } from "../errors/AuthenticationError.ts"
import { AuthorizationError } from "../errors/AuthorizationError.ts"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { DeploymentError } from "../errors/DeploymentError.ts"
import { DeployOutcomeUnknown } from "../errors/DeployOutcomeUnknown.ts"
import { NotFound } from "../errors/NotFound.ts"
import { StopUnconfirmed } from "../errors/StopUnconfirmed.ts"
import { TimeoutError } from "../errors/TimeoutError.ts"
import type { Deployment } from "../schema/Deployment.ts"
import type { DeploymentConfig } from "../schema/DeploymentConfig.ts"
import {
  type DeploymentRequest,
  DeploymentRules,
  RulesBetweenFields,
  unquotedFields
} from "../schema/DeploymentRules.ts"
import { type DeploymentStatus, isFinal } from "../schema/DeploymentStatus.ts"
import type { ListFilters } from "../schema/ListFilters.ts"
import type { Listing } from "../schema/Listing.ts"
import type { LogEntry, LogOptions } from "../schema/LogEntry.ts"
import type { Reconciled } from "../schema/Reconciled.ts"
import { duration } from "../schema/wire/fields.ts"
import { mayHide } from "../schema/wire/Listing.ts"
import {
  DeployOptionRules,
  ListFilterRules,
  ReconcileOptionRules,
  WaitOptionRules,
  WatchOptionRules
} from "../schema/wire/Rentals.ts"
import { type DeployIntent, DeployJournal } from "./DeployJournal.ts"
import { invalid, reader, readId } from "./Input.ts"
import * as Deadline from "./internal/Deadline.ts"
import { decodeDone } from "./internal/Json.ts"
import { getRental, isPage, listedStatus, listRentals, rentalStatus, statusAfter404 } from "./internal/Rentals.ts"
import * as SafeCreate from "./internal/SafeCreate.ts"
import { summary } from "./internal/summary.ts"
import { method, stream } from "./internal/tracing.ts"
import { type LogError, LogStream } from "./LogStream.ts"
import { type CallError, type Identity, Transport } from "./Transport.ts"

/**
 * What a deploy may fail with. `DeployOutcomeUnknown` says that a machine may be running; with every other error nothing
 * was done.
 */
export type DeployError = ConfigurationError | CallError | DeploymentError | DeployOutcomeUnknown

/** What a stop may fail with. Everything that is not certain is `StopUnconfirmed`. */
export type StopError = ConfigurationError | AuthenticationError | AuthorizationError | NotFound | StopUnconfirmed

/** What asking about one deployment may fail with. */
export type GetError = ConfigurationError | CallError | NotFound

/** How to deploy. */
export interface DeployOptions {
  /** The deadline for everything, but for what `resubmitAfter` adds. Default: the option `deployTimeout` of the layer. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Send the create a second time where the reply of the first was lost and no deployment is to be seen this long after.
   * At least 16 minutes. Default: never.
   *
   * It makes no second *listed* deployment. A machine that the service started and never listed can be seen by no client:
   * with this option you may pay for one, and get another.
   */
  readonly resubmitAfter?: Duration.Input | undefined
}

/** How to finish what a crash left. */
export interface ReconcileOptions {
  /**
   * What to do with a deployment whose reply was lost in the crash. Default: `"stop"`. Those that were `scoped` are
   * stopped in any case: the scope that held them is gone.
   */
  readonly found?: "stop" | "adopt" | undefined
  /**
   * How long to look for a deployment that is not to be seen. Default: until 16 minutes after its request was sent, when
   * the service is done with it. What is cut short stays in the journal.
   */
  readonly timeout?: Duration.Input | undefined
}

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
   * The deadline of a deploy. Default: 18 minutes: 16 for the service, which takes 15 at most, and 2 to look what became
   * of a request that was not answered. A shorter one makes outcomes unknown that the service would still have told.
   */
  readonly deployTimeout?: Duration.Input | undefined
}

/** What runs on the machines. */
export class Deployments extends Context.Service<Deployments, {
  /**
   * Deploys a container. The request is sent once, and again only after a 401, with a fresh token: then nothing was done.
   * The call returns when the container runs, which can take minutes.
   *
   * With `gpu`, a machine that fits is chosen first, at random, and rather one that no other deploy of this client is about
   * to take. Where the reply is lost, the list of deployments is polled for up to 2 minutes (10 seconds after an error of
   * the service itself). If exactly one new deployment of this image on this machine is there, it is returned with
   * `reconciled: true`.
   *
   * Fails with `DeploymentError` where the service refused, with `DeployOutcomeUnknown` where a machine may be running,
   * and with the other errors only where nothing was done. Interrupted before the request is sent, it sends none. After
   * that the request is left to finish in the background and what comes back is stopped; closing the layer waits for that,
   * and ends with a defect where its outcome stays unknown.
   */
  deploy(config: DeploymentConfig, options?: DeployOptions): Effect.Effect<Deployment, DeployError>
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
   * most. A deployment that is gone has stopped: it was seen, is not found any more (404), and the list does not have it.
   */
  watch(id: string, options?: WatchOptions): Stream.Stream<DeploymentStatus, GetError>
  /**
   * Waits until it runs. Passing failures are waited out. Fails with `DeploymentError` where it ended instead, and with
   * `TimeoutError`, which holds the last state seen, where time runs out.
   */
  waitUntilRunning(id: string, options?: WaitOptions): Effect.Effect<Deployment, GetError | DeploymentError>
  /**
   * Deploys, and stops the deployment when the scope closes, also on failure and interruption. Interrupted after the
   * request was sent, it waits for the answer first. A stop that is not certain then is logged and ends the scope with a
   * defect: it must not pass in silence; so is a deploy that was interrupted and whose outcome stays unknown. The end of
   * the layer tries such a stop again.
   */
  scoped(config: DeploymentConfig, options?: DeployOptions): Effect.Effect<Deployment, DeployError, Scope.Scope>
  /**
   * Finishes what a crash of this program left: call it at the start. Each deploy that was begun and not finished is looked
   * for, and stopped or adopted. One that was begun at another service or by another account is `Unresolved`.
   *
   * Fails with `ConfigurationError` without a `DeployJournal`.
   */
  reconcile(options?: ReconcileOptions): Effect.Effect<ReadonlyArray<Reconciled>, ConfigurationError>
}>()("basilica-sdk/services/Deployments") {
  /** The service over a `Transport`; it keeps a `DeployJournal` where the context has one. */
  static readonly layer = (
    options: DeploymentsOptions = {}
  ): Layer.Layer<Deployments, ConfigurationError, Transport | LogStream> => Layer.effect(Deployments, make(options))
}

const make = Effect.fnUntraced(function*(options: DeploymentsOptions) {
  const transport = yield* Transport
  const logStream = yield* LogStream
  const journal = yield* Effect.serviceOption(DeployJournal)
  yield* readLayerOptions({ deployTimeout: options.deployTimeout })
  const deployTimeout = Duration.fromInputUnsafe(options.deployTimeout ?? "18 minutes")

  /** The creates that have not ended. */
  const creating = new Map<Fiber.Fiber<SafeCreate.Created, DeployError>, SafeCreate.Progress>()
  /** What is done for deploys that nobody waits for any more. Here stay those that failed, for the end of the layer. */
  const background = new Set<Fiber.Fiber<unknown, unknown>>()
  /** What scopes hold. What they still hold when the layer closes is stopped then: nobody could do it later. */
  const held = new Set<Effect.Effect<void>>()
  yield* Effect.addFinalizer(Effect.fnUntraced(function*() {
    const created = Effect.forEach(
      creating,
      ([fiber, { isSent }]) => isSent ? Fiber.await(fiber) : Fiber.interrupt(fiber),
      { concurrency: "unbounded", discard: true }
    )
    const tried = new Set<Effect.Effect<void>>()
    const stopHeld = Effect.suspend(() => {
      const left = [...held].filter((stop) => !tried.has(stop))
      for (const stop of left) tried.add(stop)
      return Effect.forEach(left, Effect.exit, { concurrency: 8 })
    })
    // What is held does not wait, and cost, for as long as a create takes.
    const [early] = yield* Effect.all([stopHeld, created], { concurrency: "unbounded" })
    const stopped = [...early, ...(yield* stopHeld)]
    yield* Fiber.awaitAll([...background])
    const cleaned = yield* Fiber.awaitAll([...background])
    // Each has its try before those that are not certain end the layer with a defect for each.
    const failures = [...stopped, ...cleaned].filter(Exit.isFailure)
    const defects = failures.map(({ cause }) => Cause.makeDieReason(Cause.squash(cause)))
    yield* defects.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons<never>(defects))
  }))

  const safe = SafeCreate.make(transport, Option.getOrUndefined(journal))

  /**
   * Once it is sent, the create is out of reach of interruption: cutting it could leave a machine that no list shows. Who
   * is interrupted while it is handed over has not got it, unless a scope has it by then.
   */
  const begin = Effect.fnUntraced(function*<R>(
    config: DeploymentConfig,
    options: DeployOptions,
    held: boolean,
    handOver: (created: SafeCreate.Created) => Effect.Effect<void, never, R>
  ) {
    const request = yield* readConfig(config)
    yield* readDeployOptions(options)
    const { timeout = deployTimeout } = options
    const resubmitAfter = options.resubmitAfter === undefined
      ? undefined
      : Duration.fromInputUnsafe(options.resubmitAfter)
    yield* Effect.annotateCurrentSpan({ image: request.image, executor: request.executorId ?? "any" })
    yield* warnOfUnquoted(request)
    const progress: SafeCreate.Progress = { isSent: false, isAwaited: true }
    const create = safe.create(request, {
      timeout: Duration.fromInputUnsafe(timeout),
      held,
      resubmitAfter,
      progress,
      onLate: ({ id }, isSecond) => Effect.asVoid(inBackground(late(id, isSecond)))
    })
    const late = Effect.fnUntraced(function*(id: string, isSecond: boolean) {
      // Before its reply it may be found in the list, and is whose who deployed it then.
      const exit = yield* creation === undefined ? Effect.undefined : Fiber.await(creation)
      if (exit !== undefined && Exit.isSuccess(exit) && exit.value.deployment.id === id) return
      const words = `Deployments.deploy: the reply came after the deadline: ${id}`
      // Whoever waited for it without a scope was told of an unknown outcome, and may have looked after it.
      if (progress.isAwaited && !held && !isSecond) {
        yield* Effect.logWarning(`${words} runs, and is billed`)
      } else {
        yield* Effect.logWarning(`${words} is stopped`)
        yield* stopOrDie(id)
        // Then its outcome is known after all.
        if (cleaning !== undefined) background.delete(cleaning)
      }
    })
    let creation: Fiber.Fiber<SafeCreate.Created, DeployError> | undefined
    let isHeld = false
    let cleaning: Fiber.Fiber<void> | undefined
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDetach(create, { startImmediately: true, uninterruptible: false }), (fiber) => {
        creation = fiber
        creating.set(fiber, progress)
        fiber.addObserver(() => creating.delete(fiber))
        const handedOver = Effect.flatMap(
          Fiber.join(fiber),
          (created) =>
            Effect.uninterruptible(Effect.map(handOver(created), () => {
              isHeld = held
              return created.deployment
            }))
        )
        return Effect.onInterrupt(restore(handedOver), () => {
          progress.isAwaited = false
          if (isHeld) return Effect.void
          if (!progress.isSent) return Fiber.interrupt(fiber)
          if (held) return stopWhatComesBack(fiber)
          return Effect.map(inBackground(stopWhatComesBack(fiber)), (running) => {
            cleaning = running
          })
        })
      })
    )
  })

  const deploy = method("Deployments.deploy")(function*(config: DeploymentConfig, options: DeployOptions = {}) {
    return yield* begin(config, options, false, ({ key }) => safe.forget(key))
  })

  const scoped = method("Deployments.scoped")(function*(config: DeploymentConfig, options: DeployOptions = {}) {
    return yield* begin(config, options, true, hold)
  })

  /** The scope and the layer may both come to stop it: the second waits for the first, and tries again where it failed. */
  const hold = Effect.fnUntraced(function*(created: SafeCreate.Created) {
    const turn = Semaphore.makeUnsafe(1)
    const stop: Effect.Effect<void> = turn.withPermit(Effect.suspend(() =>
      held.has(stop)
        ? Effect.andThen(stopCreated(created), Effect.sync(() => held.delete(stop)))
        : Effect.void
    ))
    held.add(stop)
    yield* Effect.addFinalizer(() => stop)
  })

  const stopCreated = ({ deployment, key }: SafeCreate.Created) =>
    Effect.andThen(
      // Where it cannot be stopped, nobody works on it any more: `reconcile` may try.
      Effect.onError(stopOrDie(deployment.id), () => Effect.sync(() => safe.letGo(key))),
      safe.forget(key)
    )

  const inBackground = Effect.fnUntraced(function*(effect: Effect.Effect<void>) {
    const fiber = yield* Effect.forkDetach(Deadline.without(effect), { startImmediately: true })
    background.add(fiber)
    fiber.addObserver((exit) => Exit.isSuccess(exit) && background.delete(fiber))
    return fiber
  })

  const stopWhatComesBack = Effect.fnUntraced(function*(fiber: Fiber.Fiber<SafeCreate.Created, DeployError>) {
    const exit = yield* Fiber.await(fiber)
    if (Exit.isSuccess(exit)) return yield* stopCreated(exit.value)
    const error = Cause.squash(exit.cause)
    return yield* error instanceof DeployOutcomeUnknown || Cause.hasDies(exit.cause)
      ? Effect.andThen(
        Effect.logError(`An interrupted deploy: ${error instanceof Error ? error.message : String(error)}`),
        Effect.die(error)
      )
      : Effect.void
  })

  const stop = method("Deployments.stop")(function*(id: string) {
    yield* readId("Deployments.stop", id)
    yield* Effect.annotateCurrentSpan("deployment", id)
    yield* Deadline.within(transport.timeout)(stopAndProve(id))
  })

  const stopAndProve = Effect.fnUntraced(function*(id: string): Effect.fn.Return<void, StopError> {
    let mayHaveStopped = false
    let isStrange = false
    return yield* transport.request<void, NotFound>({
      operation: "Deployments.stop",
      method: "DELETE",
      path: ["rentals", id],
      scope: "rentals:stop",
      // A third of the time is kept for looking whether it worked.
      timeout: Duration.times(transport.timeout, 2 / 3),
      decode: decodeDone(204),
      onRefusal: ({ code, mayHaveRun, operation, reason, requestId, status }) => {
        // A stopped deployment is not found any more: an earlier attempt may have worked, and its reply was lost.
        mayHaveStopped = mayHaveRun
        if (status !== 404) return undefined
        isStrange = isPage({ code, reason })
        return Result.fail(new NotFound({ operation, resource: "deployment", id, requestId }))
      }
    }).pipe(Effect.catch((error): Effect.Effect<void, StopError> => {
      switch (error._tag) {
        case "NotFound":
          if (mayHaveStopped) return proveStopped(id, strangers404)
          return isStrange ? Effect.andThen(proveStopped(id, strangers404), Effect.fail(error)) : Effect.fail(error)
        case "AuthenticationError":
        case "AuthorizationError":
          if (mayHaveStopped) return proveStopped(id, summary(error))
          return Effect.fail(
            error._tag === "AuthenticationError"
              ? new AuthenticationError({ ...error, id })
              : new AuthorizationError({ ...error, id })
          )
        default:
          return proveStopped(id, summary(error))
      }
    }))
  })

  /**
   * What is not in the list has stopped. What is there as `Stopped` may also be on a machine that nobody can reach (1.7):
   * it has if the service, which then looks at the container, says so too. Asking alone is no proof: it says "terminated"
   * of one that is still stopping, and a 404 may be a proxy's.
   */
  const proveStopped = Effect.fnUntraced(function*(id: string, reason: string) {
    const unconfirmed = (lastSeen?: DeploymentStatus) =>
      new StopUnconfirmed({ operation: "Deployments.stop", id, reason, lastSeen })
    const listing = yield* Effect.mapError(listRentals(transport, "Deployments.stop", {}), () => unconfirmed())
    const [listed, again] = listing.items.filter((deployment) => deployment.id === id)
    if (listed === undefined) {
      return yield* mayHide(listing, id) ? Effect.fail(unconfirmed()) : Effect.void
    }
    const seen = unconfirmed((again ?? listed).status)
    if (listed.status.raw !== "Stopped" || again !== undefined) return yield* Effect.fail(seen)
    const asked = yield* Effect.mapError(getRental(transport, "Deployments.stop", id), () => seen)
    return yield* asked.status._tag === "Stopped" ? Effect.void : Effect.fail(seen)
  })

  /** Stops what was made here: a 404 is a surprise then, and needs proof. */
  const stopOwn = (id: string) =>
    Effect.catchTag(
      stop(id),
      "NotFound",
      () => Deadline.within(transport.timeout)(proveStopped(id, strangers404))
    )

  const reconcile = method("Deployments.reconcile")(function*(options: ReconcileOptions = {}) {
    yield* readReconcileOptions(options)
    const { found = "stop", timeout } = options
    if (Option.isNone(journal)) return yield* withoutJournal
    const left = (yield* journal.value.open).filter(({ key }) => !safe.working.has(key))
    if (left.length === 0) return []
    const finished = yield* Effect.matchEffect(transport.identity, {
      onFailure: ({ message }) => Effect.succeed(left.map((intent) => unresolved(intent, message))),
      onSuccess: (identity) =>
        Effect.forEach(left, (intent) => finish(intent, identity, found, timeout), { concurrency: 8 })
    })
    // At the very end: whoever is cut off before has not got them, and finds them the next time.
    const adopted = finished.flatMap((one) => one._tag === "Adopted" ? [one.intent] : [])
    yield* Effect.forEach(adopted, ({ key }) => safe.forget(key), { discard: true }).pipe(
      Effect.onInterrupt(() => Effect.ignore(Effect.forEach(adopted, (intent) => journal.value.put(intent))))
    )
    return finished
  })

  /** Finishes one intent that a crash left. */
  const finish = Effect.fnUntraced(function*(
    intent: DeployIntent,
    identity: Identity,
    found: "stop" | "adopt",
    timeout: Duration.Input | undefined
  ): Effect.fn.Return<Reconciled> {
    // What another service or account does not see may be there all the same, and what it sees is its own.
    const { account, service } = intent
    if (service !== undefined && service !== identity.service) {
      return unresolved(intent, `it was begun at ${service}, and this client asks ${identity.service}`)
    }
    if (service !== undefined && account !== identity.account) {
      return unresolved(
        intent,
        "it was begun with another token, whose account may be another: reconcile with that one"
      )
    }
    const age = (yield* Clock.currentTimeMillis) - Date.parse(intent.sentAt)
    const wait = timeout === undefined
      ? Duration.millis(Math.min(Math.max(0, serviceMillis - age), serviceMillis))
      : Duration.fromInputUnsafe(timeout)
    if (intent.id === undefined && Duration.isGreaterThan(wait, Duration.seconds(10))) {
      yield* Effect.logInfo(
        `Deployments.reconcile: looks for a deploy of ${intent.image} for up to ${
          Math.ceil(Duration.toSeconds(wait))
        } s`
      )
    }
    const isKept = found === "adopt" && intent.held !== true
    if (intent.id === undefined || isKept) {
      const seen = yield* safe.lookBack(intent, intent.id === undefined ? wait : Duration.zero)
      const candidates = SafeCreate.candidates(seen)
      if (!seen.complete) {
        const reason = "the list of deployments could not be read, or a deploy to that machine is under way"
        return unresolved(intent, reason, candidates)
      }
      if (candidates.length > 1 || seen.unreadable.length > 0) {
        return unresolved(intent, "it is not certain which deployment it is", candidates)
      }
      const [only] = seen.found
      if (only !== undefined) {
        if (isKept) return { _tag: "Adopted", intent, deployment: yield* SafeCreate.adopt(transport, only) }
        return yield* finishWith(intent, only.id)
      }
      if (intent.id === undefined) {
        if (age + Duration.toMillis(wait) < serviceMillis) {
          return unresolved(intent, "the service may still be working on it")
        }
        yield* safe.forget(intent.key)
        return { _tag: "NotCreated", intent }
      }
    }
    return yield* finishWith(intent, intent.id)
  })

  const finishWith = (intent: DeployIntent, id: string): Effect.Effect<Reconciled> =>
    stopOwn(id).pipe(
      Effect.andThen(safe.forget(intent.key)),
      Effect.as<Reconciled>({ _tag: "Stopped", intent, id }),
      Effect.catch((error) => Effect.succeed(unresolved(intent, error.message, [id])))
    )

  /** Stops where nobody can be told of a failure but by a log and a defect. */
  const stopOrDie = (id: string): Effect.Effect<void> =>
    stopOwn(id).pipe(
      Effect.retry({ schedule: insistent, while: (error) => error.retryable }),
      // Whoever catches it has to know which machine runs on, whatever the reason is.
      Effect.mapError((error) =>
        error._tag === "StopUnconfirmed"
          ? error
          : new StopUnconfirmed({ operation: "Deployments.stop", id, reason: summary(error) })
      ),
      Effect.tapError((error) => Effect.logError(error.message)),
      Effect.orDie
    )

  const status = method("Deployments.status")(function*(id: string) {
    yield* readId("Deployments.status", id)
    yield* Effect.annotateCurrentSpan("deployment", id)
    return yield* Deadline.within(transport.timeout)(rentalStatus(transport, "Deployments.status", id))
  })

  const watch = (id: string, options: WatchOptions = {}): Stream.Stream<DeploymentStatus, GetError> =>
    Stream.unwrap(Effect.map(Effect.andThen(readId("Deployments.watch", id), readWatchOptions(options)), () => {
      const { interval = "5 seconds" } = options
      let seen = false
      let failures = 0
      const look = rentalStatus(transport, "Deployments.watch", id).pipe(
        Deadline.within(transport.timeout),
        Effect.tap(() =>
          Effect.sync(() => {
            seen = true
            failures = 0
          })
        ),
        Effect.catchTag("NotFound", (error): Effect.Effect<DeploymentStatus, GetError> =>
          seen
            ? Effect.map(statusAfter404(transport, "Deployments.watch", id), (listed) => listed ?? gone)
            : Effect.fail(error)),
        Effect.catchIf((error) => error.retryable && ++failures <= 10, () => Effect.undefined)
      )
      return Stream.fromEffectSchedule(look, Schedule.spaced(interval)).pipe(
        Stream.filter((state) => state !== undefined),
        Stream.changesWith((left, right) =>
          left._tag === right._tag && (left._tag !== "Unknown" || left.raw === right.raw)
        ),
        Stream.takeUntil(isFinal)
      )
    })).pipe(stream("Deployments.watch", { deployment: id }))

  const waitUntilRunning = method("Deployments.waitUntilRunning")(function*(id: string, wait: WaitOptions = {}) {
    const operation = "Deployments.waitUntilRunning"
    yield* readId(operation, id)
    yield* readWaitOptions(wait)
    const { interval = "2 seconds", timeout = "15 minutes" } = wait
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
    get: method("Deployments.get")(function*(id) {
      yield* readId("Deployments.get", id)
      yield* Effect.annotateCurrentSpan("deployment", id)
      return yield* getRental(transport, "Deployments.get", id)
    }),
    list: method("Deployments.list")(function*(filters = {}) {
      const listing = yield* listRentals(transport, "Deployments.list", yield* readFilters(filters))
      yield* Effect.annotateCurrentSpan("deployments", listing.items.length)
      return listing
    }),
    status,
    stop,
    logs: (id, log) =>
      stream("Deployments.logs", { deployment: id })(
        logStream.follow(id, { ...log, follow: log?.follow ?? false })
      ),
    watch,
    waitUntilRunning,
    scoped,
    reconcile
  })
})

const strangers404 = "it is not found (404), and the list does not say that it has stopped"

const readLayerOptions = reader("Basilica", Schema.Struct({ deployTimeout: Schema.optional(duration()) }), "options")
const readConfig = reader("Deployments.deploy", DeploymentRules, "config", RulesBetweenFields)
const readFilters = reader("Deployments.list", ListFilterRules, "filters")
const readDeployOptions = reader("Deployments.deploy", DeployOptionRules, "options")
const readReconcileOptions = reader("Deployments.reconcile", ReconcileOptionRules, "options")
const readWaitOptions = reader("Deployments.waitUntilRunning", WaitOptionRules, "options")
const readWatchOptions = reader("Deployments.watch", WatchOptionRules, "options")

const unresolved = (
  intent: DeployIntent,
  reason: string,
  candidates: ReadonlyArray<string> = intent.id === undefined ? [] : [intent.id]
): Reconciled => ({ _tag: "Unresolved", intent, candidates, reason })

const withoutJournal = invalid(
  "Deployments.reconcile",
  "journal",
  "is missing; allowed: the option journalFile of BasilicaClient, or a layer of DeployJournal"
)

/** The service works on a deploy for 15 minutes at most; one more for clocks and networks. */
const serviceMillis = 16 * 60_000

/** A deployment that was seen and is not found any more: it was stopped. */
const gone: DeploymentStatus = { _tag: "Stopped", raw: "not found" }

/** Five tries, with 1 to 8 seconds between them. */
const insistent = Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 4 }))

const warnOfUnquoted = (request: DeploymentRequest): Effect.Effect<void> => {
  const fields = unquotedFields(request)
  return fields.length === 0 ? Effect.void : Effect.logWarning(
    `Deployments.deploy: the service passes values to a shell without quotes; those of ${fields.join(", ")} hold ` +
      "characters that a shell splits at or acts on. Put such text into a file of the image."
  )
}
