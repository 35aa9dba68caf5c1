/**
 * The create that never doubles: sent once, and every outcome known, found by looking, or reported as unknown.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { ConfigurationError } from "../../errors/ConfigurationError.ts"
import { DeploymentError } from "../../errors/DeploymentError.ts"
import { DeployOutcomeUnknown } from "../../errors/DeployOutcomeUnknown.ts"
import { TimeoutError } from "../../errors/TimeoutError.ts"
import type { Deployment } from "../../schema/Deployment.ts"
import type { DeploymentRequest } from "../../schema/DeploymentRules.ts"
import type { Executor } from "../../schema/Executor.ts"
import type { Listing } from "../../schema/Listing.ts"
import { isWhole } from "../../schema/wire/Listing.ts"
import {
  fromRequest,
  fromStartReply,
  type PlacedRequest,
  StartRentalReplyRead,
  StartRentalRequest
} from "../../schema/wire/Rentals.ts"
import type { DeployIntent, DeployJournal } from "../DeployJournal.ts"
import { type CallError, type OnRefusal, type Transport } from "../Transport.ts"
import * as Deadline from "./Deadline.ts"
import { decodeWith } from "./Json.ts"
import { listExecutors } from "./listExecutors.ts"
import { getRental, listRentals } from "./Rentals.ts"
import { summary } from "./summary.ts"

const operation = "Deployments.deploy"

/** What a create may fail with. Where it is neither of the last two, nothing was done. */
type CreateError = ConfigurationError | CallError | DeploymentError | DeployOutcomeUnknown

/** How a create is made. */
interface CreateOptions {
  /** The deadline for everything, but for the time that `resubmitAfter` adds. */
  readonly timeout: Duration.Duration
  /** Whether a scope is to hold it. */
  readonly held: boolean
  /** Send once more where nothing is to be seen this long after the first time. */
  readonly resubmitAfter: Duration.Duration | undefined
  readonly progress: Progress
  /** Is told of a deployment whose reply comes after the deadline, and whether another was asked for since. */
  readonly onLate: (deployment: Deployment, isSecond: boolean) => Effect.Effect<void>
}

/** How far a create is, for those who give it up. */
export interface Progress {
  /** Whether the request may be on its way: until then it can be interrupted, and nothing was done. */
  isSent: boolean
  /** Whether somebody waits for it. Nothing is sent a second time for nobody. */
  isAwaited: boolean
}

/** A deployment, and the key of its intent. */
export interface Created {
  readonly deployment: Deployment
  readonly key: string
}

export interface SafeCreate {
  readonly create: (request: DeploymentRequest, options: CreateOptions) => Effect.Effect<Created, CreateError>
  /**
   * Drops the intent of a deployment that was stopped, or that somebody got to hold. Until then it stays in the journal,
   * with the id of the deployment.
   */
  readonly forget: (key: string) => Effect.Effect<void>
  /** Nobody of this program works on it any more; it stays in the journal. */
  readonly letGo: (key: string) => void
  /** Looks for what became of an intent of an earlier start, for that long. */
  readonly lookBack: (intent: DeployIntent, duration: Duration.Duration) => Effect.Effect<Sighting>
  /** The keys of the intents that this program still works on. */
  readonly working: ReadonlySet<string>
}

export const make = (transport: Transport["Service"], journal: DeployJournal["Service"] | undefined): SafeCreate => {
  const turns = keyedTurns()
  const working = workingOf(journal)

  const put = (intent: DeployIntent) => journal === undefined ? Effect.void : journal.put(intent)

  const forget = (key: string): Effect.Effect<void> =>
    Effect.ensuring(
      journal === undefined ? Effect.void : noted(journal.remove(key)),
      Effect.sync(() => working.delete(key))
    )

  /** Another deploy to the machine whose outcome is open is not to be taken for this one, which is known. */
  const ruleOut = Effect.fnUntraced(function*(id: string, { executorId, image, key }: DeployIntent) {
    if (journal === undefined) return
    for (const other of yield* journal.open) {
      if (other.key === key || other.id !== undefined) continue
      if (other.executorId !== executorId || other.image !== image) continue
      yield* journal.put({ ...other, before: [...other.before, id] })
    }
  })

  /** The request itself, the one place where it is sent. */
  const send = (
    request: PlacedRequest,
    timeout: Duration.Duration,
    onLate: (deployment: Deployment) => Effect.Effect<void>
  ) =>
    transport.request<Deployment, DeploymentError>({
      operation,
      method: "POST",
      path: ["rentals"],
      body: encodeRequest(fromRequest(request)),
      secrets: Object.values(request.environment),
      scope: "rentals:create",
      timeout,
      decode: (body) => Result.map(decodeStartReply(body), (reply) => fromStartReply(reply, request)),
      onRefusal,
      onLate: (exit) => Exit.isSuccess(exit) ? onLate(exit.value) : Effect.void
    })

  const create = (request: DeploymentRequest, options: CreateOptions): Effect.Effect<Created, CreateError> =>
    Effect.gen(function*() {
      const executorId = request.executorId ??
        (yield* choose(transport, request.gpu ?? { count: 1, minMemoryGb: 0 }, turns.isBusy))
      const chosen = { ...request, executorId }
      // The difference between the lists before and after is the evidence, so one machine has one deploy at a time.
      return yield* turns.deploy(executorId, begin(chosen, options))
    }).pipe(Deadline.within(
      options.resubmitAfter === undefined
        ? options.timeout
        : Duration.sum(Duration.times(options.timeout, 2), options.resubmitAfter)
    ))

  const begin = Effect.fnUntraced(function*(request: PlacedRequest, options: CreateOptions) {
    const before = yield* listRentals(transport, operation, {})
    const sentAt = new Date(yield* Clock.currentTimeMillis).toISOString()
    const intent: DeployIntent = {
      key: (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36) + Date.parse(sentAt).toString(36),
      executorId: request.executorId,
      image: request.image,
      before: [...before.items, ...before.invalid].flatMap(({ id }) => id === undefined ? [] : [id]),
      sentAt,
      // For a start with another client, which does not see it, to know that it may be there.
      ...(journal === undefined ? {} : yield* transport.identity),
      ...(options.held ? { held: true } : {})
    }
    working.add(intent.key)
    yield* Effect.onError(put(intent), () => forget(intent.key))
    options.progress.isSent = true
    const deployment = yield* attempt(request, intent, options).pipe(
      Effect.tapError((error) =>
        error._tag === "DeployOutcomeUnknown"
          // It stays in the journal, for the next look.
          ? Effect.sync(() => working.delete(intent.key))
          : forget(intent.key)
      )
    )
    yield* noted(put({ ...intent, id: deployment.id }))
    yield* noted(ruleOut(deployment.id, intent))
    return { deployment, key: intent.key }
  })

  /** Sends, and where the answer does not tell what became of it, looks. */
  const attempt = Effect.fnUntraced(function*(
    request: PlacedRequest,
    intent: DeployIntent,
    { onLate, progress, resubmitAfter, timeout }: CreateOptions
  ): Effect.fn.Return<Deployment, CreateError> {
    // A ninth of the time is kept for looking.
    const patience = Duration.times(timeout, 8 / 9)
    const sighting = Effect.map(listRentals(transport, operation, {}), (listing) => sight(intent, listing))
    const sentAt = yield* Clock.monotonicTimeNanos
    let isSecond = false
    const late = (deployment: Deployment) => onLate(deployment, isSecond)
    const first = yield* send(request, patience, late).pipe(Effect.catch(unlessKnown))
    if (!(first instanceof Error)) return first
    const seen = yield* look(sighting, lookFor(first))
    if (resubmitAfter === undefined || !isNothing(seen)) return yield* settle(transport, intent, first, seen)
    // Not by the time of day, which somebody may set: the service may still be at work on the first.
    const waited = Effect.map(Clock.monotonicTimeNanos, (now) => Number(now - sentAt) / 1e6)
    const rest = Duration.toMillis(resubmitAfter) - (yield* waited)
    const last = yield* look(sighting, Duration.millis(Math.max(0, rest)), () => progress.isAwaited)
    if (!isNothing(last) || !progress.isAwaited || (yield* waited) < Duration.toMillis(resubmitAfter)) {
      return yield* settle(transport, intent, first, last)
    }
    yield* Effect.logWarning(`${operation}: nothing is to be seen of ${intent.key}, so it is sent a second time`)
    isSecond = true
    const second = yield* send(request, patience, (deployment) => onLate(deployment, false)).pipe(
      Effect.catch(unlessKnown)
    )
    if (!(second instanceof Error)) return second
    return yield* settle(transport, intent, second, yield* look(sighting, lookFor(second)))
  })

  /** A look between the deploys to that machine, by what is known of the intent at that time. */
  const sightBetween = Effect.fnUntraced(function*(intent: DeployIntent) {
    const open = journal === undefined ? [] : yield* journal.open
    const now = open.find(({ key }) => key === intent.key) ?? intent
    return sight(now, yield* listRentals(transport, operation, {}))
  })

  const lookBack = (intent: DeployIntent, duration: Duration.Duration) =>
    look(
      Deadline.within(Duration.max(duration, transport.timeout))(
        turns.look(intent.executorId, sightBetween(intent))
      ),
      duration
    )

  return { create, forget, letGo: (key) => void working.delete(key), lookBack, working }
}

/** One set for each journal, whoever of a program uses it. */
const workingOf = (journal: object | undefined): Set<string> => {
  const working = (journal && workingByJournal.get(journal)) ?? new Set<string>()
  if (journal !== undefined) workingByJournal.set(journal, working)
  return working
}
const workingByJournal = new WeakMap<object, Set<string>>()

/**
 * How long it is looked for a deployment whose reply was lost, where the deadline allows it. The service's own error
 * says that it is done; after a proxy's, or none, it may still be at work.
 */
const lookFor = (error: CallError | DeploymentError): Duration.Duration =>
  error._tag === "ApiError" && error.code !== undefined ? Duration.seconds(10) : Duration.minutes(2)

/** Fails where it is known that nothing was done; otherwise the error is a reason to look. */
const unlessKnown = (
  error: CallError | DeploymentError
): Effect.Effect<CallError | DeploymentError, CallError | DeploymentError> =>
  error.outcome === "none" ? Effect.fail(error) : Effect.succeed(error)

/** What the last look at the list of deployments showed of an intent. */
export interface Sighting {
  /** Whether the list could be read at all. Where it could not, nothing seen does not mean that nothing is there. */
  readonly complete: boolean
  /** What is on its machine, with its image, and was not there before. */
  readonly found: ReadonlyArray<Deployment>
  /** What was not there before and cannot be understood: it may be the one. */
  readonly unreadable: ReadonlyArray<string>
}

/** Whether it is certain that nothing is listed that may be the one. */
const isNothing = ({ complete, found, unreadable }: Sighting): boolean =>
  complete && found.length === 0 && unreadable.length === 0

/** Everything that may be the one. */
export const candidates = ({ found, unreadable }: Sighting): ReadonlyArray<string> => [
  ...found.map(({ id }) => id),
  ...unreadable
]

const sight = (intent: DeployIntent, listing: Listing<Deployment>): Sighting => {
  const isNew = (id: string | undefined): id is string =>
    intent.id === undefined ? id !== undefined && !intent.before.includes(id) : id === intent.id
  // The service may list one twice.
  const items = [...new Map(listing.items.map((item) => [item.id, item])).values()].filter((
    { executorId, id, image }
  ) => isNew(id) && (executorId ?? intent.executorId) === intent.executorId && (image ?? intent.image) === intent.image)
  const isClear = ({ executorId, image }: Deployment) => executorId !== undefined && image !== undefined
  return {
    // An item without even an id may be the one as well as any other.
    complete: isWhole(listing) && listing.invalid.every(({ id }) => id !== undefined),
    found: items.filter(isClear),
    unreadable: [
      ...listing.invalid.map(({ id }) => id).filter(isNew),
      ...items.filter((item) => !isClear(item)).map(({ id }) => id)
    ]
  }
}

/** Looks after 0, 2, 4, 8, 16, 30, 30 … seconds, until something is found or the time is over. */
const look = Effect.fnUntraced(function*(
  sighting: Effect.Effect<Sighting, unknown>,
  duration: Duration.Duration,
  isAwaited: () => boolean = () => true
) {
  let pause = 0
  const { millis } = yield* Deadline.left(Duration.toMillis(duration))
  let rest = millis
  while (true) {
    const [took, seen] = yield* Effect.timed(
      Effect.orElseSucceed(sighting, (): Sighting => ({ complete: false, found: [], unreadable: [] }))
    )
    rest -= Duration.toMillis(took)
    pause = Math.min(Math.max(2000, pause * 2), 30_000)
    if (candidates(seen).length > 0 || rest <= 0 || !isAwaited()) return seen
    yield* Effect.sleep(Math.min(pause, rest))
    rest -= pause
  }
})

/** One candidate is the one; with none or several, the outcome stays unknown. */
const settle = Effect.fnUntraced(function*(
  transport: Transport["Service"],
  intent: DeployIntent,
  error: CallError | DeploymentError,
  seen: Sighting
) {
  const [only, ...others] = seen.found
  if (only !== undefined && others.length === 0 && seen.unreadable.length === 0 && seen.complete) {
    yield* Effect.logWarning(`${operation}: ${summary(error)}; ${only.id} was found to be the deployment`)
    return yield* adopt(transport, only)
  }
  const { executorId, image, sentAt } = intent
  return yield* Effect.fail(
    new DeployOutcomeUnknown({
      operation,
      executorId,
      image,
      sentAt,
      candidates: candidates(seen),
      reason: summary(error)
    })
  )
})

/** A deployment that was found in the list, with what asking for it tells more. */
export const adopt = (transport: Transport["Service"], listed: Deployment): Effect.Effect<Deployment> =>
  getRental(transport, operation, listed.id).pipe(
    Effect.map(({ hasSsh, ssh, status }) => ({ ...listed, hasSsh, ssh, status })),
    Effect.orElseSucceed(() => listed),
    Effect.map((deployment) => ({ ...deployment, reconciled: true }))
  )

/** Chooses a machine here and not at the service, so that the machine is known when the reply is lost. */
const choose = Effect.fnUntraced(
  function*(
    transport: Transport["Service"],
    gpu: NonNullable<DeploymentRequest["gpu"]>,
    isBusy: (executorId: string) => boolean
  ) {
    const { items } = yield* listExecutors(transport, operation, {
      gpuType: gpu.type,
      minGpuCount: gpu.count,
      minGpuMemoryGb: gpu.minMemoryGb === 0 ? undefined : gpu.minMemoryGb
    })
    const all = items.filter((executor) => fits(executor, gpu))
    // One that another deploy of this client is about to take is likely to be refused.
    const idle = all.filter(({ id }) => !isBusy(id))
    const fitting = idle.length === 0 ? all : idle
    const chosen = fitting[yield* Random.nextIntBetween(0, Math.max(1, fitting.length), { halfOpen: true })]
    if (chosen !== undefined) return chosen.id
    return yield* Effect.fail(
      new DeploymentError({
        operation,
        reason: "no machine that is free fits the GPU requirements",
        remedy: "Ask for less, or look at Executors.listAvailable.",
        outcome: "none"
      })
    )
  }
)

/** The service's filters let machines without a GPU pass, so the machine is looked at here too. */
const fits = (executor: Executor, gpu: NonNullable<DeploymentRequest["gpu"]>): boolean =>
  executor.gpus.filter(({ memoryGb, name }) =>
    memoryGb >= gpu.minMemoryGb && name.toLowerCase().includes((gpu.type ?? "").toLowerCase())
  ).length >= gpu.count

/** As many may look at one machine at a time; a deploy to it takes the places of all. */
const places = 1_000_000

/**
 * Lets one deploy at a time run for each key, and no look beside it; looks are beside each other. Waiting is within the
 * deadline: nothing was sent yet.
 */
const keyedTurns = () => {
  const holders = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()
  const taking =
    (taken: number) => <A, E>(key: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E | TimeoutError> =>
      Effect.suspend(() => {
        const holder = holders.get(key) ?? { semaphore: Semaphore.makeUnsafe(places), users: 0 }
        holder.users++
        holders.set(key, holder)
        const turn = Effect.flatMap(
          Deadline.left(Infinity),
          ({ millis, totalMillis }) =>
            Effect.timeoutOrElse(holder.semaphore.takeScoped(taken), {
              duration: millis,
              orElse: () =>
                Effect.fail(
                  new TimeoutError({ operation, phase: "connect", afterMillis: totalMillis, outcome: "none" })
                )
            })
        )
        return Effect.scoped(Effect.andThen(turn, effect)).pipe(
          Effect.ensuring(Effect.sync(() => {
            if (--holder.users === 0) holders.delete(key)
          }))
        )
      })
  return { deploy: taking(places), look: taking(1), isBusy: (key: string) => holders.has(key) }
}

/** A journal that cannot be written any more must not fail what was done: it is logged, and the next start looks. */
const noted = (writing: Effect.Effect<void, ConfigurationError>): Effect.Effect<void> =>
  writing.pipe(
    Effect.catch((error) => Effect.logWarning(error.message)),
    Effect.catchDefect((defect) => Effect.logError(`The journal failed: ${String(defect)}`))
  )

const decodeStartReply = decodeWith(StartRentalReplyRead)
const encodeRequest = Schema.encodeSync(StartRentalRequest)

/** 401, 403, 408 and 429 have their own meaning; every other 4xx is the service's no. */
const onRefusal: OnRefusal<Deployment, DeploymentError> = ({ code, reason, requestId, status }) =>
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
