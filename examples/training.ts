// An Effect program: a training job in a scope, its log as a stream, its errors in the types.
//
//   npx node --conditions=basilica-sdk-source examples/training.ts   in the repository
//   node examples/training.ts   in a copy of this folder, beside an installed basilica-sdk
import { NodeRuntime } from "@effect/platform-node"
import { Deployments, Executors, type LogEntry } from "basilica-sdk"
import { Array, Console, Data, Effect, Option, Order, Stream } from "effect"
import { layer } from "./support/connect.ts"
import { printable } from "./support/printable.ts"
import { nodeProgram } from "./support/program.ts"

/** A line such as `epoch 3/10 loss 0.2925 accuracy 93.4%`, or nothing where it is another one. */
const readEpoch = ({ message }: LogEntry): Option.Option<{ readonly epoch: number; readonly loss: number }> => {
  const match = /^epoch (\d+)\/\d+ loss ([\d.]+)/.exec(message)
  return match === null ? Option.none() : Option.some({ epoch: Number(match[1]), loss: Number(match[2]) })
}

class NotLearning extends Data.TaggedError("NotLearning")<{ readonly epochs: number; readonly loss: number }> {
  override readonly message = `After ${this.epochs} epochs the loss is still ${this.loss}`
}

/** The free machine with the fewest GPUs. */
const smallest = Effect.gen(function*() {
  const { items } = yield* (yield* Executors).listAvailable({ minGpuCount: 1 })
  return yield* Effect.fromOption(Array.head(Array.sortWith(items, ({ gpus }) => gpus.length, Order.Number)))
})

/** Trains until the loss is good enough. The deployment is stopped when the scope closes, whatever the reason is. */
const train = Effect.fn("train")(function*(goal: number) {
  const deployments = yield* Deployments
  const executor = yield* smallest
  const { id } = yield* deployments.scoped({
    executorId: executor.id,
    image: "node:24-slim",
    command: nodeProgram("train.mjs"),
    environment: { EPOCHS: "30", PAUSE_MS: "100" },
    noSsh: true
  })
  yield* Console.log(`${id} trains on ${executor.gpus.length} x ${printable(executor.gpus[0]?.name ?? "no GPU")}`)

  const result = yield* deployments.logs(id, { follow: true }).pipe(
    Stream.map(readEpoch),
    Stream.filter(Option.isSome),
    Stream.map(({ value }) => value),
    Stream.tap(({ epoch, loss }) => Console.log(`epoch ${epoch}: loss ${loss}`)),
    Stream.takeUntil(({ loss }) => loss < goal),
    Stream.runFold(() => ({ epochs: 0, loss: Infinity }), ({ epochs }, { loss }) => ({ epochs: epochs + 1, loss }))
  )
  return result.loss < goal ? result : yield* new NotLearning(result)
}, Effect.scoped)

const program = Effect.gen(function*() {
  const { epochs, loss } = yield* train(0.15)
  yield* Console.log(`Good enough after ${epochs} of 30 epochs (loss ${loss}); the rest is not paid for.`)

  const { items } = yield* (yield* Deployments).list()
  yield* Console.log(`Deployments that still run: ${items.length}`)
}).pipe(
  Effect.catchTag("DeployOutcomeUnknown", (error) =>
    Effect.andThen(
      Console.error(`A machine may be running. Look at: ${error.candidates.join(", ") || "Deployments.list"}`),
      Effect.fail(error)
    ))
)

program.pipe(
  Effect.provide(layer),
  NodeRuntime.runMain
)
