import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { printable } from "../../examples/support/printable.ts"
import { patience } from "../support/Scale.ts"
import { json, logEvent, rental, rentalItem, scriptedServer, started } from "../support/ScriptedServer.ts"
import { executorItem } from "./Victim.ts"

const evil = "\u001b[2J\u001b]8;;https://evil.example\u0007here\u001b]8;;\u0007\r\u009b31m\u202e\u2028\b"
const acts = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|[^\P{Cc}\t\n]/u

describe("an example", () => {
  it("spells out what a terminal would act on, and leaves all else", () => {
    assert.strictEqual(printable("a\tb — ü 你好 😀 [31m"), "a\tb — ü 你好 😀 [31m")
    assert.strictEqual(printable("\u001b[31mx\r\n"), "\\u{1b}[31mx\\u{d}\\u{a}")
    assert.notMatch(printable(evil), acts)
  })

  for (const name of ["quickstart", "training"]) {
    it.live(`such as ${name} prints nothing of a hostile service or program as it is`, () =>
      Effect.gen(function*() {
        const server = yield* scriptedServer((response, { method, url }) => {
          const path = url.split("?")[0] ?? ""
          if (path === "/health") {
            const health = { status: evil, version: evil, timestamp: evil, healthy_validators: 1, total_validators: 1 }
            return json(response, 200, health)
          }
          if (path === "/executors") {
            const gpu_specs = [{ name: evil, memory_gb: 80, compute_capability: evil }]
            const item = executorItem("2f0c6a3e", { gpu_specs, location: `${evil}/${evil}/${evil}` })
            return json(response, 200, { available_executors: [item], total_count: 1 })
          }
          if (method === "POST") return json(response, 200, { ...started, ssh_credentials: `${evil}@${evil}:22` })
          if (method === "DELETE") return response.writeHead(204).end()
          if (path === "/rentals") {
            const rentals = [rentalItem(evil, { rental_id: "other", container_image: evil })]
            return json(response, 200, { rentals, total_count: 1 })
          }
          if (!path.endsWith("/logs")) return json(response, 200, rental(evil))
          response.writeHead(200, { "content-type": "text/event-stream" })
          return response.end(
            logEvent(evil, evil, evil) + logEvent("epoch 1/10 loss 0.1 accuracy 93.4%\u001b[31m") + logEvent("done")
          )
        })
        const output = yield* Effect.callback<string>((resume) => {
          execFile(
            process.execPath,
            [
              "--conditions=basilica-sdk-source",
              fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url))
            ],
            {
              env: { ...process.env, BASILICA_API_URL: server.url, BASILICA_API_TOKEN: "secret-token-1", NO_COLOR: "1" }
            },
            (_, stdout, stderr) => resume(Effect.succeed(stdout + stderr))
          )
        })
        assert.match(output, name === "quickstart" ? /Stop it/ : /Good enough/)
        assert.notMatch(output, acts)
      }), patience)
  }
})
