/**
 * What every Basilica does, whatever it runs on: the same tests for the one in memory and for the local one.
 */
import { assert, describe } from "@effect/vitest"
import {
  ApiKeys,
  type Basilica,
  type ConfigurationError,
  type DeploymentConfig,
  Deployments,
  Executors,
  Health,
  LogStream,
  PortMapping,
  Timestamp
} from "basilica-sdk"
import { defaultExecutors, type Program } from "basilica-sdk/testing"
import { Context, Deferred, Effect, Fiber, type Layer, Redacted, type Scope, Stream } from "effect"

/** What the tests need besides the SDK's services, which are those of the first tenant. */
export class Ground extends Context.Service<Ground, {
  /** The services with another token. */
  readonly as: (token: Redacted.Redacted) => Layer.Layer<Basilica.Services, ConfigurationError>
  /** The token of another tenant. */
  readonly otherToken: Redacted.Redacted
  /** How many containers run, of all tenants. */
  readonly running: Effect.Effect<number>
}>()("test/conformance/Ground") {}

type Needs = Basilica.Services | Ground | Scope.Scope

/** What the tests make a container do. Durations are in milliseconds. */
export interface Script extends Pick<Program, "exits"> {
  readonly lines?: ReadonlyArray<
    { readonly message: string; readonly after?: number; readonly stream?: "stdout" | "stderr" }
  >
}

/** How the tests reach a Basilica. */
export interface Adapter {
  readonly name: string
  /** Registers a test that has a world of its own, in which time passes. */
  readonly it: (title: string, body: Effect.Effect<void, unknown, Needs>) => void
  /** The part of a config that makes the container do this. */
  readonly script: (script: Script) => Partial<DeploymentConfig>
}

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@host"
const image = "nvidia/cuda:12.2.0-base-ubuntu22.04"
const [, oneH100] = defaultExecutors.map((executor) => executor.id)

const messages = (entries: ReadonlyArray<{ readonly message: string }>) => entries.map(({ message }) => message)
const short = { interval: "50 millis" } as const

/** Registers the tests. */
export const conformance = ({ it, name, script }: Adapter) => {
  const config = (fields: Partial<DeploymentConfig> = {}): DeploymentConfig => ({
    ...(fields.gpu === undefined ? { executorId: oneH100 } : {}),
    image,
    sshKey,
    ...fields
  })
  /** A deployment that has written these lines, whether it runs on or has ended. */
  const written = Effect.fnUntraced(function*(lines: Script["lines"] & {}, exits = false) {
    const deployments = yield* Deployments
    const deployment = yield* deployments.scoped(config(script({ lines, exits })))
    yield* deployments.logs(deployment.id, { follow: true }).pipe(Stream.take(lines.length), Stream.runDrain)
    return deployment
  })

  describe(`${name}: health and executors`, () => {
    it(
      "says that it is healthy",
      Effect.gen(function*() {
        assert.strictEqual((yield* Health.use((_) => _.check)).status, "healthy")
      })
    )

    it(
      "lists every machine that is free",
      Effect.gen(function*() {
        const { invalid, items, totalCount } = yield* Executors.use((_) => _.listAvailable())
        assert.deepStrictEqual(items.map((executor) => executor.id), defaultExecutors.map((executor) => executor.id))
        assert.deepStrictEqual(invalid, [])
        assert.strictEqual(totalCount, items.length)
      })
    )

    it(
      "filters machines as the service does",
      Effect.gen(function*() {
        const executors = yield* Executors
        const places = (filters: Parameters<typeof executors.listAvailable>[0]) =>
          Effect.map(executors.listAvailable(filters), ({ items }) => items.map(({ location }) => location.city ?? "-"))
        assert.deepStrictEqual(yield* places({ gpuType: "h100" }), ["Ashburn", "Frankfurt", "-"])
        assert.deepStrictEqual(yield* places({ minGpuCount: 4 }), ["Ashburn", "Montreal"])
        assert.deepStrictEqual(yield* places({ minGpuMemoryGb: 80, minGpuCount: 1 }), [
          "Ashburn",
          "Frankfurt",
          "Montreal"
        ])
        assert.deepStrictEqual(yield* places({ country: "Germany" }), ["Frankfurt"])
        assert.deepStrictEqual(yield* places({ city: "montreal", region: "QUEBEC", country: "ca" }), ["Montreal"])
        assert.deepStrictEqual(yield* places({ gpuType: "h100", minGpuCount: 9 }), [])
      })
    )
  })

  describe(`${name}: deployments`, () => {
    it(
      "deploys on the machine that is asked for, and takes it from the list until it is stopped",
      Effect.gen(function*() {
        const [deployments, executors] = [yield* Deployments, yield* Executors]
        const id = oneH100 ?? ""
        const deployment = yield* deployments.deploy(config({ ports: [PortMapping.tcp(8080)] }))
        assert.strictEqual(deployment.status._tag, "Running")
        assert.strictEqual(deployment.executorId, id)
        assert.strictEqual(deployment.ssh?.username, "root")
        assert.sameMembers((deployment.ports ?? []).map((port) => port.containerPort), [22, 8080])
        assert.strictEqual((yield* Effect.flip(executors.get(id)))._tag, "NotFound")
        yield* deployments.stop(deployment.id)
        assert.strictEqual((yield* executors.get(id)).id, id)
      })
    )

    it(
      "deploys on a machine that fits the GPU that is asked for",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* deployments.scoped(config({ gpu: { type: "a100", count: 2, minMemoryGb: 80 } }))
        const { executorId, gpus } = yield* deployments.get(id)
        assert.strictEqual(executorId, defaultExecutors[2]?.id)
        assert.strictEqual(gpus[0]?.name, "NVIDIA A100-SXM4-80GB")
      })
    )

    it(
      "deploys without SSH",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { hasSsh, id, ports, ssh } = yield* deployments.scoped({ executorId: oneH100, image, noSsh: true })
        assert.deepStrictEqual({ hasSsh, ports, ssh }, { hasSsh: false, ports: [], ssh: undefined })
        assert.isUndefined((yield* deployments.get(id)).ssh)
        assert.isFalse((yield* deployments.list()).items[0]?.hasSsh)
      })
    )

    it(
      "tells the same of a deployment in each way of asking",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const deployment = yield* deployments.scoped(config())
        const got = yield* deployments.get(deployment.id)
        const { items } = yield* deployments.list()
        assert.deepStrictEqual(items.map((item) => ({ executorId: item.executorId, id: item.id, image: item.image })), [
          { executorId: oneH100, id: deployment.id, image }
        ])
        assert.deepStrictEqual(got.ssh, deployment.ssh)
        assert.strictEqual(got.status._tag, "Running")
        assert.strictEqual(items[0]?.status._tag, "Running")
        assert.strictEqual((yield* deployments.status(deployment.id))._tag, "Running")
        assert.strictEqual(Timestamp.compare(got.createdAt ?? "", items[0]?.createdAt ?? "-"), 0)
      })
    )

    it(
      "lists by status",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        yield* deployments.scoped(config())
        assert.strictEqual((yield* deployments.list({ status: "Running" })).items.length, 1)
        assert.strictEqual((yield* deployments.list({ status: "Failed" })).items.length, 0)
      })
    )

    it(
      "stops a deployment, which vanishes",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const { id } = yield* deployments.deploy(config())
        assert.strictEqual(yield* ground.running, 1)
        yield* deployments.stop(id)
        assert.strictEqual(yield* ground.running, 0)
        assert.strictEqual((yield* Effect.flip(deployments.get(id)))._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(deployments.status(id)))._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(deployments.stop(id)))._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(deployments.logs(id))))._tag, "NotFound")
        assert.deepStrictEqual((yield* deployments.list()).items, [])
      })
    )

    it(
      "shows a container that has ended as stopped, and its machine as free",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const { id } = yield* deployments.scoped(config(script({ lines: [{ message: "done" }], exits: true })))
        yield* Stream.runDrain(deployments.logs(id, { follow: true }))
        assert.strictEqual((yield* deployments.status(id))._tag, "Stopped")
        assert.strictEqual((yield* deployments.list()).items[0]?.status._tag, "Stopped")
        assert.strictEqual(yield* ground.running, 0)
        assert.strictEqual((yield* Executors.use((_) => _.listAvailable())).items.length, defaultExecutors.length)
        yield* deployments.stop(id)
        assert.deepStrictEqual((yield* deployments.list()).items, [])
      })
    )

    it(
      "waits until a deployment runs",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* deployments.scoped(config())
        assert.strictEqual((yield* deployments.waitUntilRunning(id, short)).status._tag, "Running")
      })
    )

    it(
      "fails to wait for a deployment that has ended",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* written([{ message: "done" }], true)
        yield* Stream.runDrain(deployments.logs(id, { follow: true }))
        const error = yield* Effect.flip(deployments.waitUntilRunning(id, short))
        assert.strictEqual(error._tag, "DeploymentError")
      })
    )

    it(
      "watches a deployment from running to its end",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* deployments.scoped(
          config(script({ lines: [{ message: "done", after: 300 }], exits: true }))
        )
        const states = yield* Stream.runCollect(deployments.watch(id, short))
        assert.deepStrictEqual(states.map((state) => state._tag), ["Running", "Stopped"])
      })
    )

    it(
      "watches a deployment that is stopped",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* deployments.deploy(config())
        const seen = yield* Deferred.make<void>()
        const watching = yield* deployments.watch(id, short).pipe(
          Stream.tap(() => Deferred.succeed(seen, undefined)),
          Stream.runCollect,
          Effect.forkChild
        )
        yield* Deferred.await(seen)
        yield* deployments.stop(id)
        assert.deepStrictEqual((yield* Fiber.join(watching)).map((state) => state._tag), ["Running", "Stopped"])
      })
    )
  })

  describe(`${name}: logs`, () => {
    it(
      "prints the log there is, and ends",
      Effect.gen(function*() {
        const { id } = yield* written([{ message: "one" }, { message: "two" }, { message: "three" }])
        const entries = yield* Stream.runCollect(Deployments.use((_) => Effect.succeed(_.logs(id))).pipe(Stream.unwrap))
        assert.deepStrictEqual(messages(entries), ["one", "two", "three"])
        assert.deepStrictEqual(new Set(entries.map((entry) => entry.stream)), new Set(["stdout"]))
        const times = entries.map((entry) => Timestamp.epochNanoseconds(entry.timestamp) ?? -1n)
        assert.deepStrictEqual(times, times.toSorted((left, right) => left < right ? -1 : left > right ? 1 : 0))
      })
    )

    it(
      "begins with the last lines, where it is asked to",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* written([{ message: "one" }, { message: "two" }, { message: "three" }])
        const last = (tail: number) => Effect.map(Stream.runCollect(deployments.logs(id, { tail })), messages)
        assert.deepStrictEqual(yield* last(2), ["two", "three"])
        assert.deepStrictEqual(yield* last(9), ["one", "two", "three"])
        assert.deepStrictEqual(yield* last(0), [])
      })
    )

    it(
      "follows a log to its end",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const lines = [{ message: "one" }, { message: "two", after: 100 }, { message: "three", after: 100 }]
        const { id } = yield* deployments.scoped(config(script({ lines, exits: true })))
        const entries = yield* Stream.runCollect(LogStream.use((_) => Effect.succeed(_.follow(id))).pipe(Stream.unwrap))
        assert.deepStrictEqual(messages(entries), ["one", "two", "three"])
      })
    )

    it(
      "follows a log from its last lines on",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const ticks = Array.from({ length: 100 }, (_, index) => ({ message: `tick ${index}`, after: 50 }))
        const { id } = yield* deployments.scoped(config(script({ lines: [{ message: "early" }, ...ticks] })))
        const first = (tail: number) =>
          Effect.map(Stream.runCollect(Stream.take(deployments.logs(id, { follow: true, tail }), 1)), messages)
        yield* Stream.runDrain(Stream.take(deployments.logs(id, { follow: true }), 3))
        const [old] = yield* first(1)
        const [coming] = yield* first(0)
        assert.match(old ?? "", /^tick [1-9]/)
        assert.isAbove(Number(coming?.slice(5)), Number(old?.slice(5)))
      })
    )

    it(
      "ends the log of those who follow it when the deployment is stopped",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* deployments.deploy(config(script({ lines: [{ message: "ready" }] })))
        const ready = yield* Deferred.make<void>()
        const following = yield* deployments.logs(id, { follow: true }).pipe(
          Stream.tap(() => Deferred.succeed(ready, undefined)),
          Stream.runCollect,
          Effect.forkChild
        )
        yield* Deferred.await(ready)
        yield* deployments.stop(id)
        assert.deepStrictEqual(messages(yield* Fiber.join(following)), ["ready"])
      })
    )

    it(
      "keeps the log of a container that has ended",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* written([{ message: "one" }, { message: "two" }], true)
        yield* Stream.runDrain(deployments.logs(id, { follow: true }))
        assert.deepStrictEqual(messages(yield* Stream.runCollect(deployments.logs(id))), ["one", "two"])
        assert.deepStrictEqual(messages(yield* Stream.runCollect(deployments.logs(id, { follow: true, tail: 1 }))), [
          "two"
        ])
      })
    )

    it(
      "tells stdout and stderr apart, and keeps the order of each",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* written([
          { message: "out 1" },
          { message: "err 1", stream: "stderr" },
          { message: "out 2" },
          { message: "err 2", stream: "stderr" }
        ])
        const entries = yield* Stream.runCollect(deployments.logs(id))
        const of = (stream: string) => messages(entries.filter((entry) => entry.stream === stream))
        assert.deepStrictEqual(of("stdout"), ["out 1", "out 2"])
        assert.deepStrictEqual(of("stderr"), ["err 1", "err 2"])
      })
    )

    it(
      "trims lines at the left, cuts long ones, and keeps empty ones",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const { id } = yield* written([
          { message: "   indented  " },
          { message: "" },
          { message: "x".repeat(5_000) },
          { message: "y".repeat(4_096) },
          { message: "ü".repeat(2_048) },
          { message: "{\"json\":\"\\u0007\"} – 日本 🚀" }
        ])
        assert.deepStrictEqual(messages(yield* Stream.runCollect(deployments.logs(id))), [
          "indented  ",
          "",
          `${"x".repeat(4_096)}... (truncated)`,
          "y".repeat(4_096),
          "ü".repeat(2_048),
          "{\"json\":\"\\u0007\"} – 日本 🚀"
        ])
      })
    )
  })

  describe(`${name}: scoped deployments`, () => {
    it(
      "are stopped when their scope ends well",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const during = yield* Effect.scoped(Effect.andThen(deployments.scoped(config()), ground.running))
        assert.deepStrictEqual([during, yield* ground.running], [1, 0])
      })
    )

    it(
      "are stopped when their scope fails",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const error = yield* deployments.scoped(config()).pipe(
          Effect.andThen(Effect.fail("too slow" as const)),
          Effect.scoped,
          Effect.flip
        )
        assert.deepStrictEqual([error, yield* ground.running], ["too slow", 0])
      })
    )

    it(
      "are stopped when their scope is interrupted",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const deployed = yield* Deferred.make<void>()
        const using = yield* deployments.scoped(config()).pipe(
          Effect.andThen(Deferred.succeed(deployed, undefined)),
          Effect.andThen(Effect.never),
          Effect.scoped,
          Effect.forkChild
        )
        yield* Deferred.await(deployed)
        assert.strictEqual(yield* ground.running, 1)
        yield* Fiber.interrupt(using)
        assert.strictEqual(yield* ground.running, 0)
      })
    )

    it(
      "may be stopped before their scope ends",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        yield* Effect.scoped(Effect.flatMap(deployments.scoped(config()), ({ id }) => deployments.stop(id)))
        assert.strictEqual(yield* ground.running, 0)
      })
    )
  })

  describe(`${name}: refusals`, () => {
    it(
      "refuses a GPU that no free machine has",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const error = yield* Effect.flip(deployments.deploy(config({ gpu: { count: 64 } })))
        assert.strictEqual(error._tag, "DeploymentError")
        assert.strictEqual(error.outcome, "none")
        assert.match(error.message, /GPU requirements/)
        assert.strictEqual(yield* ground.running, 0)
      })
    )

    it(
      "cannot say more than unknown of a machine that is not there",
      Effect.gen(function*() {
        const error = yield* Effect.flip(Deployments.use((_) => _.deploy(config({ executorId: "no-such-machine" }))))
        assert.strictEqual(error._tag, "DeployOutcomeUnknown")
        assert.deepStrictEqual(error._tag === "DeployOutcomeUnknown" && error.candidates, [])
      })
    )

    it(
      "does not rent one machine twice",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const { id } = yield* deployments.scoped(config())
        const error = yield* Effect.flip(deployments.deploy(config()))
        assert.strictEqual(error._tag, "DeployOutcomeUnknown")
        assert.deepStrictEqual(error._tag === "DeployOutcomeUnknown" && error.candidates, [])
        assert.strictEqual((yield* deployments.status(id))._tag, "Running")
        assert.strictEqual(yield* ground.running, 1)
      })
    )

    it(
      "does not know a deployment that never was",
      Effect.gen(function*() {
        const deployments = yield* Deployments
        const errors = [
          yield* Effect.flip(deployments.get("rental-0")),
          yield* Effect.flip(deployments.stop("rental-0")),
          yield* Effect.flip(Stream.runDrain(deployments.logs("rental-0", { follow: true }))),
          yield* Effect.flip(Stream.runDrain(deployments.watch("rental-0", short)))
        ]
        assert.deepStrictEqual(errors.map((error) => error._tag), ["NotFound", "NotFound", "NotFound", "NotFound"])
      })
    )

    it(
      "lets no bad token in",
      Effect.gen(function*() {
        const ground = yield* Ground
        yield* Effect.gen(function*() {
          assert.strictEqual((yield* Health.use((_) => _.check)).status, "healthy")
          const errors = [
            yield* Effect.flip(Executors.use((_) => _.listAvailable())),
            yield* Effect.flip(Deployments.use((_) => _.deploy(config()))),
            yield* Effect.flip(Deployments.use((_) => _.stop("rental-0"))),
            yield* Effect.flip(ApiKeys.use((_) => _.list))
          ]
          assert.deepStrictEqual(new Set(errors.map((error) => error._tag)), new Set(["AuthenticationError"]))
        }).pipe(Effect.provide(ground.as(Redacted.make("wrong"))))
        assert.strictEqual(yield* ground.running, 0)
      })
    )

    it(
      "shows nothing of one tenant to another",
      Effect.gen(function*() {
        const [deployments, ground] = [yield* Deployments, yield* Ground]
        const { id } = yield* deployments.scoped(config())
        yield* Effect.gen(function*() {
          const theirs = yield* Deployments
          assert.deepStrictEqual((yield* theirs.list()).items, [])
          assert.strictEqual((yield* Effect.flip(theirs.get(id)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(theirs.stop(id)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(Stream.runDrain(theirs.logs(id))))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(Executors.use((_) => _.get(oneH100 ?? ""))))._tag, "NotFound")
        }).pipe(Effect.provide(ground.as(ground.otherToken)))
        assert.strictEqual((yield* deployments.status(id))._tag, "Running")
      })
    )
  })

  describe(`${name}: API keys`, () => {
    it(
      "are made, listed newest first, and revoked",
      Effect.gen(function*() {
        const keys = yield* ApiKeys
        const created = yield* keys.create("first")
        yield* keys.create("second")
        assert.match(Redacted.value(created.token), /^basilica_[A-Za-z0-9_-]{64}$/)
        assert.deepStrictEqual((yield* keys.list).items.map((key) => key.name), ["second", "first"])
        yield* keys.revoke("second")
        assert.deepStrictEqual((yield* keys.list).items.map((key) => key.name), ["first"])
        assert.strictEqual((yield* Effect.flip(keys.revoke("second")))._tag, "NotFound")
      })
    )

    it(
      "have names of their own",
      Effect.gen(function*() {
        const keys = yield* ApiKeys
        yield* keys.create("ci-bot")
        assert.strictEqual((yield* Effect.flip(keys.create("ci-bot")))._tag, "Conflict")
      })
    )

    it(
      "are ten at most",
      Effect.gen(function*() {
        const keys = yield* ApiKeys
        yield* Effect.all(Array.from({ length: 10 }, (_, index) => keys.create(`key-${index}`)))
        const error = yield* Effect.flip(keys.create("eleventh"))
        assert.strictEqual(error._tag, "Conflict")
        assert.include(error.message, "(10)")
      })
    )

    it(
      "let one deploy for their owner, and manage no keys, until they are revoked",
      Effect.gen(function*() {
        const [deployments, ground, keys] = [yield* Deployments, yield* Ground, yield* ApiKeys]
        const { token } = yield* keys.create("ci-bot")
        yield* Effect.gen(function*() {
          const { id } = yield* Deployments.use((_) => _.deploy(config()))
          assert.deepStrictEqual((yield* deployments.list()).items.map((deployment) => deployment.id), [id])
          const refused = yield* Effect.flip(ApiKeys.use((_) => _.create("another")))
          assert.strictEqual(refused._tag, "AuthenticationError")
          assert.include(refused.message, "access token")
          assert.isDefined((yield* keys.list).items[0]?.lastUsedAt)
          yield* keys.revoke("ci-bot")
          assert.strictEqual((yield* Effect.flip(Deployments.use((_) => _.get(id))))._tag, "AuthenticationError")
          yield* deployments.stop(id)
        }).pipe(Effect.provide(ground.as(token)))
      })
    )
  })
}
