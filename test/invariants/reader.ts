/** Measures what a reader of hostile or fast replies needs of memory. For memory.test.ts; `--expose-gc`. */
import { Basilica, Deployments } from "basilica-sdk"
import { Effect, Logger, Stream } from "effect"

const [baseUrl = "", what = "", seconds = "1"] = process.argv.slice(2)
const collect = (globalThis as { readonly gc?: () => void }).gc ?? (() => {})

const list = Deployments.use((deployments) => Effect.ignore(deployments.list()))
let read = 0
let isInOrder = true
const logs = Deployments.use((deployments) =>
  deployments.logs("rental-1", { follow: true }).pipe(
    Stream.runForEach(({ message }) =>
      Effect.suspend(() => {
        isInOrder &&= message === `line ${read}`
        read++
        return what === "slow" ? Effect.sleep("100 millis") : Effect.void
      })
    ),
    Effect.timeoutOption(`${Number(seconds)} seconds`),
    Effect.ignore
  )
)

/** What is held: pages that the allocator keeps for later are the system's affair. */
const held = () => {
  const { external, heapUsed } = process.memoryUsage()
  return external + heapUsed
}

const program = Effect.gen(function*() {
  // What the code itself needs is there before the measure begins.
  yield* Effect.timeoutOption(Effect.ignore(Deployments.use((deployments) => deployments.get("warm-up"))), "1 second")
  collect()
  const before = held()
  let most = before
  // Garbage is not held: on a busy machine it lies for long, so it is collected before a height counts that is near the
  // mark. Twice, because buffers that one collection finds without an owner are given back by the next. In steps of a MiB.
  const look = () => {
    if (held() < most + 2 ** 20) return
    if (held() - before > 24 * 2 ** 20) {
      collect()
      collect()
    }
    most = Math.max(most, held())
  }
  const timer = setInterval(look, 5)
  yield* what === "body" ? list : logs
  look()
  clearInterval(timer)
  process.stdout.write(JSON.stringify({ grewMiB: Math.round((most - before) / 2 ** 20), read, isInOrder }))
})

await Effect.runPromise(Effect.provide(program, [
  Basilica.layer({ baseUrl, token: "t", timeout: "10 minutes" }),
  Logger.layer([])
]))
