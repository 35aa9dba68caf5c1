import { assert, describe, it } from "@effect/vitest"
import { type ExecutorFilters, Executors } from "basilica-sdk"
import { Effect } from "effect"
import { against } from "../support/client.ts"
import { json, scriptedServer } from "../support/ScriptedServer.ts"

const executor = (id: string) => ({
  executor: { id, gpu_specs: [], cpu_specs: { cores: 1, model: "m", memory_gb: 2 }, location: null },
  availability: { available_until: null, verification_score: 1, uptime_percentage: 100 }
})
const listing = { available_executors: [executor("e1"), executor("e2")], total_count: 2 }

describe("Executors", () => {
  it.live("asks with every filter, under the service's names", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, listing))
      const filters = {
        gpuType: "h100 sxm",
        minGpuCount: 2,
        minGpuMemoryGb: 80,
        city: "São Paulo",
        region: "a&b",
        country: "US"
      }
      yield* Executors.use((executors) => executors.listAvailable(filters)).pipe(against({ baseUrl: server.url }))
      assert.deepStrictEqual(Object.fromEntries(new URL(`http://x${server.received[0]?.url}`).searchParams), {
        gpu_type: "h100 sxm",
        min_gpu_count: "2",
        min_gpu_memory: "80",
        location_city: "São Paulo",
        location_region: "a&b",
        location_country: "US"
      })
    }))

  it.live("refuses filters that the service breaks at", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, listing))
      const bad: ReadonlyArray<readonly [ExecutorFilters, string]> = [
        [{ city: "L'Aquila" }, "city"],
        [{ minGpuCount: -1 }, "minGpuCount"],
        [{ minGpuMemoryGb: 1.5 }, "minGpuMemoryGb"],
        [{ gpuType: "" }, "gpuType"],
        [{ gpu: "h100" } as ExecutorFilters, "gpu"]
      ]
      for (const [filters, field] of bad) {
        const error = yield* Executors.use((executors) => executors.listAvailable(filters)).pipe(
          against({ baseUrl: server.url }),
          Effect.flip
        )
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.include(error.message, `${field} `)
      }
      assert.lengthOf(server.received, 0)
    }))

  it.live("finds one among those that are free", () =>
    Effect.gen(function*() {
      const server = yield* scriptedServer((response) => json(response, 200, listing))
      const get = (id: string) => Executors.use((executors) => executors.get(id)).pipe(against({ baseUrl: server.url }))
      assert.strictEqual((yield* get("e2")).id, "e2")
      const error = yield* Effect.flip(get("e3"))
      assert.strictEqual(error._tag, "NotFound")
    }))
})
