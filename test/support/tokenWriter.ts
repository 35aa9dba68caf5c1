// Writes the token file again and again, until it is killed. Every pair of tokens belongs together by its number. Ends with
// an error where another is inside the lock with it.
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { readFileSync, writeFileSync } from "node:fs"
import process from "node:process"
import { makeTokenFile } from "../../src/node/internal/TokenFileStore.ts"

const [, , path = ""] = process.argv
const inside = `${path}.inside`
const store = makeTokenFile(path, {
  ownsDirectory: false,
  lock: { heartbeat: 100, stale: 1000, dead: 0, wait: 60_000 }
})

const one = (n: number) => {
  const padding = "x".repeat(n % 3000)
  return store.write({
    accessToken: Redacted.make(`access-${n}-${padding}`),
    refreshToken: Redacted.make(`refresh-${n}-${padding}`)
  })
}

const alone = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    writeFileSync(inside, String(process.pid))
    yield* effect
    const other = readFileSync(inside, "utf8")
    if (other !== String(process.pid)) throw new Error(`${other} is inside the lock too`)
  })

await Effect.runPromise(Effect.gen(function*() {
  const start = process.pid * 1_000_000
  for (let n = start;; n++) {
    yield* store.locked(alone(one(n)))
    if (n === start) process.stdout.write("ready\n")
  }
}))
