import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import * as ImageReference from "../schema/ImageReference.ts"
import { oneLine } from "../schema/oneLine.ts"
import * as SshPublicKey from "../schema/SshPublicKey.ts"
import type { RentalItemWire, RentalReply, RentalState, StartRentalRequest } from "../schema/wire/Rentals.ts"
import type { ExecutorsReply, StartRentalReply } from "../schema/wire/Served.ts"
import { containerSpec } from "./ContainerRules.ts"
import { type Container, ContainerRuntime } from "./ContainerRuntime.ts"
import * as ExecutorCatalog from "./ExecutorCatalog.ts"
import * as Refusals from "./Refusals.ts"
import * as WireTime from "./WireTime.ts"

/** A rental that was not stopped by its owner. */
export interface Rental {
  readonly id: string
  readonly tenant: string
  readonly executor: ExecutorCatalog.CatalogExecutor
  readonly image: string
  readonly container: Container
  /** `root@host:port`, where there is SSH. */
  readonly ssh: string | undefined
  /** Nanoseconds since 1970. */
  readonly createdAt: bigint
}

type State = typeof RentalState.Type

/** What a rental's state is called in a list (`Active`) and in an answer about one (`active`). */
const statusOf: { readonly [S in State]: string } = {
  Provisioning: "pending",
  Active: "active",
  Stopping: "terminated",
  Stopped: "terminated",
  Failed: "failed"
}

/** The machines and the rentals on them. */
export class Rentals extends Context.Service<Rentals, {
  /** The machines that pass the filters and are not rented. */
  available(filters: ExecutorCatalog.CatalogFilters): Effect.Effect<typeof ExecutorsReply.Type, Refusals.Refusal>
  /** Rents a machine and starts the container. Finishes what it has begun even where the caller has gone. */
  start(
    tenant: string,
    request: typeof StartRentalRequest.Type
  ): Effect.Effect<typeof StartRentalReply.Type, Refusals.Refusal>
  /** A rental of this tenant. */
  find(tenant: string, id: string): Effect.Effect<Rental | undefined>
  /** The rentals of this tenant, oldest first. */
  list(tenant: string, state: State | undefined): Effect.Effect<ReadonlyArray<typeof RentalItemWire.Type>>
  /** How one rental is. */
  status(rental: Rental): Effect.Effect<typeof RentalReply.Type, Refusals.Refusal>
  /** Ends the container and forgets the rental; the rental stays where the end cannot be proven. */
  stop(rental: Rental): Effect.Effect<void, Refusals.Refusal>
  /** The rentals of all tenants whose container runs. */
  readonly running: Effect.Effect<ReadonlyArray<Rental>>
}>()("basilica-sdk/server/Rentals") {
  /** Rentals on these machines. */
  static readonly layer = (options: {
    readonly executors: ReadonlyArray<ExecutorCatalog.CatalogExecutor>
  }): Layer.Layer<Rentals, never, ContainerRuntime | SecureRandom.SecureRandom> => Layer.effect(Rentals, make(options))
}

const make = Effect.fnUntraced(function*(options: {
  readonly executors: ReadonlyArray<ExecutorCatalog.CatalogExecutor>
}) {
  const runtime = yield* ContainerRuntime
  const random = yield* SecureRandom.SecureRandom
  const rentals = yield* Ref.make<ReadonlyMap<string, Rental>>(new Map())
  const stopping = yield* Ref.make<ReadonlySet<string>>(new Set())
  const reserved = yield* Ref.make<ReadonlySet<string>>(new Set())
  const choosing = yield* Semaphore.make(1)

  const stateOf = Effect.fnUntraced(function*(rental: Rental) {
    if ((yield* Ref.get(stopping)).has(rental.id)) return "Stopping"
    return yield* rental.container.state
  })
  /** A list does not ask the machines: it goes on showing a rental whose container is gone. */
  const listedState = (rental: Rental): Effect.Effect<State> =>
    Effect.orElseSucceed(stateOf(rental), () => "Active" as const)

  const all = Effect.map(Ref.get(rentals), (map) => [...map.values()])
  const running = Effect.flatMap(
    all,
    (list) =>
      Effect.filter(
        list,
        (rental) => Effect.map(listedState(rental), (state) => state !== "Stopped" && state !== "Failed")
      )
  )

  const free = Effect.gen(function*() {
    // Before those that run: a start that ends in between is in neither otherwise, and its machine would be given twice.
    const held = yield* Ref.get(reserved)
    const rented = new Set((yield* running).map((rental) => rental.executor.id))
    return options.executors.filter((executor) => !rented.has(executor.id) && !held.has(executor.id))
  })

  const choose = Effect.fnUntraced(function*(selection: typeof StartRentalRequest.Type["executorSelection"]) {
    const candidates = yield* free
    if (selection.type === "executor_id") {
      const executor = candidates.find((one) => one.id === selection.executorId)
      if (executor !== undefined) return executor
      return yield* startFailure(
        options.executors.some((one) => one.id === selection.executorId)
          ? "the executor is rented"
          : "there is no such executor"
      )
    }
    const { gpuCount, gpuType, minMemoryGb } = selection.gpuRequirements
    const fitting = candidates.filter((executor) =>
      ExecutorCatalog.matches(executor, {
        gpu_type: gpuType ?? undefined,
        min_gpu_count: gpuCount,
        min_gpu_memory: minMemoryGb
      })
    )
    const executor = fitting[yield* Random.nextIntBetween(0, Math.max(0, fitting.length - 1))]
    return executor ?? (yield* Refusals.notFound("executor matching GPU requirements"))
  })

  /** Holds the chosen machine, so that no other rental gets it, until there is a rental or a failure. */
  const reserve = (selection: typeof StartRentalRequest.Type["executorSelection"]) =>
    choosing.withPermit(
      Effect.tap(choose(selection), (executor) => Ref.update(reserved, (held) => new Set([...held, executor.id])))
    )
  const release = (executor: ExecutorCatalog.CatalogExecutor) =>
    Ref.update(reserved, (held) => new Set([...held].filter((id) => id !== executor.id)))

  const start = Effect.fn("Rentals.start")(
    function*(tenant: string, request: typeof StartRentalRequest.Type) {
      if (!SshPublicKey.isTaken(request.sshPublicKey)) return yield* Refusals.badRequest("Invalid SSH public key")
      const malformed = ImageReference.formProblem(request.containerImage)
      if (malformed !== undefined) {
        return yield* Refusals.badRequest(`Invalid container image: the reference ${malformed}`)
      }
      const id = `rental-${yield* random.uuidV4()}`
      return yield* Effect.acquireUseRelease(
        reserve(request.executorSelection),
        Effect.fnUntraced(function*(executor) {
          const container = yield* containerSpec(id, request).pipe(
            Effect.flatMap((spec) => runtime.start(spec)),
            Effect.catchTag("ContainerFailure", (failure) => startFailure(failure.message))
          )
          const sshPort = container.ports.find((port) => port.containerPort === 22)?.hostPort
          const rental: Rental = {
            id,
            tenant,
            executor,
            image: request.containerImage,
            container,
            ssh: sshPort === undefined ? undefined : `root@${runtime.host}:${sshPort}`,
            createdAt: yield* Clock.currentTimeNanos
          }
          yield* Ref.update(rentals, (map) => new Map([...map, [id, rental]]))
          return startReply(rental)
        }),
        release
      )
    },
    Effect.uninterruptible
  )

  const stop = Effect.fn("Rentals.stop")(
    function*(rental: Rental) {
      yield* Ref.update(stopping, (ids) => new Set([...ids, rental.id]))
      yield* rental.container.stop.pipe(
        Effect.ensuring(Ref.update(stopping, (ids) => new Set([...ids].filter((id) => id !== rental.id)))),
        Effect.catchTag("ContainerFailure", (failure) =>
          Effect.fail(
            Refusals.other(`Failed to terminate rental: 500 Internal Server Error - ${failure.message}`)
          ))
      )
      yield* Ref.update(rentals, (map) => new Map([...map].filter(([id]) => id !== rental.id)))
      yield* rental.container.remove
    },
    Effect.uninterruptible
  )

  return Rentals.of({
    available: Effect.fn("Rentals.available")(function*(filters) {
      if (ExecutorCatalog.breaksQuery(filters)) {
        return yield* Refusals.other("Failed to list executors: 500 Internal Server Error - ")
      }
      const fitting = (yield* free).filter((executor) => ExecutorCatalog.matches(executor, filters))
      return { availableExecutors: fitting.map(ExecutorCatalog.toAvailableWire), totalCount: fitting.length }
    }),
    start,
    find: (tenant, id) =>
      Effect.map(Ref.get(rentals), (map) => {
        const rental = map.get(id)
        return rental?.tenant === tenant ? rental : undefined
      }),
    list: Effect.fn("Rentals.list")(function*(tenant, wanted) {
      const own = (yield* all).filter((rental) => rental.tenant === tenant)
      const items = yield* Effect.forEach(
        own,
        (rental) => Effect.map(listedState(rental), (state) => listItem(rental, state))
      )
      return items.filter((item) => wanted === undefined || item.state === wanted)
    }),
    status: Effect.fn("Rentals.status")(function*(rental) {
      const state = yield* Effect.catch(stateOf(rental), ({ message }) =>
        Effect.andThen(
          Effect.logWarning(`The state of ${rental.id} cannot be told: ${oneLine(message, 500)}`),
          Effect.fail(Refusals.other("Failed to get rental status: 404 Not Found - "))
        ))
      const createdAt = WireTime.utc(rental.createdAt)
      return {
        rentalId: rental.id,
        status: statusOf[state],
        executor: ExecutorCatalog.toExecutorWire(rental.executor),
        ...(rental.ssh === undefined ? {} : { sshCredentials: rental.ssh }),
        createdAt,
        updatedAt: createdAt
      }
    }),
    stop,
    running
  })
})

/**
 * What goes wrong behind the API comes as one kind of error, without its reason: the one who watches this server is told.
 */
const startFailure = (reason: string) =>
  Effect.andThen(
    Effect.logWarning(`A deployment was not started: ${oneLine(reason, 500)}`),
    Effect.fail(Refusals.other("Failed to start rental: 500 Internal Server Error - "))
  )

const startReply = (rental: Rental): typeof StartRentalReply.Type => ({
  rentalId: rental.id,
  sshCredentials: rental.ssh ?? null,
  containerInfo: {
    containerId: rental.container.id,
    containerName: `basilica-rental-${rental.id.slice(0, 32)}`,
    mappedPorts: rental.container.ports,
    status: "running",
    labels: { "basilica.security.isolated": "true", "io.kubernetes.cri-o.userns-mode": "auto" }
  }
})

const listItem = (rental: Rental, state: State): typeof RentalItemWire.Type => {
  const { location, networkSpeed, ...executor } = ExecutorCatalog.toExecutorWire(rental.executor)
  return {
    rentalId: rental.id,
    executorId: executor.id,
    containerId: rental.container.id,
    state,
    createdAt: WireTime.offset(rental.createdAt),
    minerId: rental.executor.minerId ?? "miner_1",
    containerImage: rental.image,
    gpuSpecs: executor.gpuSpecs,
    hasSsh: rental.ssh !== undefined,
    cpuSpecs: executor.cpuSpecs,
    ...(location == null ? {} : { location }),
    ...(networkSpeed == null ? {} : { networkSpeed })
  }
}
