import { assert, describe, it } from "@effect/vitest"
import { Deployments } from "basilica-sdk"
import { FileJournal } from "basilica-sdk/node"
import { FaultScript } from "basilica-sdk/testing"
import { Effect, Layer, Redacted } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { client, world } from "../faults/World.ts"
import { onMachineTime } from "../support/MachineTime.ts"
import { chanceOf, patience, replay, size } from "../support/Scale.ts"

const kills = size(25, 500)

describe(`I3: nothing is left running by a program that was killed, once it reconciles (${kills} kills)`, () => {
  it.live("holds at any moment of the kill", () => {
    let caught = 0
    return Effect.forEach(
      Array.from({ length: kills }, (_, index) => index),
      Effect.fnUntraced(function*(index) {
        const random = chanceOf(index)
        const answersAfter = random() * 60
        const { faults, front, memory } = yield* world(new FaultScript(), {
          program: { answersAfter, startsAfter: 10 }
        })
        const directory = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "basilica-kill-"))),
          (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
        )
        const path = join(directory, "journal")
        const program = join(import.meta.dirname, "deployer.ts")
        const child = spawn(
          process.execPath,
          ["--conditions=basilica-sdk-source", program, front.url, Redacted.value(memory.token), path],
          { stdio: ["ignore", "pipe", "inherit"] }
        )
        // By what was asked, and not by a time: so a busy machine kills at the same places.
        const asked = 1 + random.below(10)
        yield* Effect.repeat(Effect.delay(Effect.sync(() => faults.requests.length), "2 millis"), {
          until: (count) => count >= asked
        })
        yield* Effect.sleep(random() * 30)
        child.kill("SIGKILL")
        yield* Effect.promise(() => once(child, "close"))
        if ((yield* memory.running).length > 0) caught++
        // The service finishes what it has begun, and lists it then.
        yield* Effect.sleep(answersAfter + 50)
        const report = yield* Effect.provide(
          Deployments.use((all) => all.reconcile({ timeout: "300 millis" })),
          Layer.provide(client(front.url, memory), FileJournal.layer({ path }))
        )
        assert.lengthOf(yield* memory.running, 0, `${JSON.stringify(report)}; ${replay(index)}`)
      }, Effect.scoped),
      { concurrency: 3, discard: true }
    ).pipe(
      onMachineTime,
      Effect.andThen(Effect.sync(() => assert.isAbove(caught, kills / 5, "too few kills met a running machine")))
    )
  }, patience)
})
