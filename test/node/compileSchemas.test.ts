import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { compileSchemas } from "../../src/node/internal/compileSchemas.ts"
import { AvailableExecutorRead } from "../../src/schema/wire/Executors.ts"
import { RentalItemRead, RentalReplyRead } from "../../src/schema/wire/Rentals.ts"
import { holds, seed, times } from "../support/Scale.ts"

/** JSON of any kind in the places of a good value, which may be missing, or have others beside them. */
const near = (good: unknown): fc.Arbitrary<unknown> => {
  const mostly = (value: fc.Arbitrary<unknown>) => fc.oneof({ weight: 12, arbitrary: value }, fc.jsonValue())
  if (Array.isArray(good)) return mostly(fc.tuple(...good.map(near)))
  if (typeof good !== "object" || good === null) return mostly(fc.constant(good))
  const fields = fc.record(Object.fromEntries(Object.entries(good).map(([key, value]) => [key, near(value)])), {
    requiredKeys: []
  })
  return mostly(fc.oneof(
    { weight: 8, arbitrary: fields },
    fc.tuple(fields, fc.dictionary(fc.string(), fc.jsonValue())).map(([own, more]) => ({ ...more, ...own }))
  ))
}

const machine = {
  id: "2f0c6a3e",
  gpu_specs: [{ name: "NVIDIA H100 80GB HBM3", memory_gb: 80, compute_capability: "8.0" }],
  cpu_specs: { cores: 64, model: "AMD EPYC 9554", memory_gb: 512 },
  location: "Ashburn/Virginia/US",
  network_speed: { download_mbps: 941.2, upload_mbps: null, test_timestamp: "2025-09-19T10:00:00Z" }
}
const replies = {
  "an executor": [AvailableExecutorRead, {
    executor: machine,
    availability: { available_until: null, verification_score: 0.98, uptime_percentage: 99.5 }
  }],
  "a rental": [RentalReplyRead, {
    rental_id: "rental-1",
    status: "active",
    executor: machine,
    ssh_credentials: "root@203.0.113.7:32776",
    created_at: "2025-09-20T12:00:00.123456789Z"
  }],
  "a rental in a list": [RentalItemRead, {
    rental_id: "rental-1",
    state: "Active",
    has_ssh: true,
    gpu_specs: machine.gpu_specs,
    cpu_specs: machine.cpu_specs,
    location: null
  }]
} as const

type Reader = (value: unknown) => Result.Result<unknown, Schema.SchemaError>
const readers = (): ReadonlyArray<readonly [what: string, good: unknown, read: Reader]> =>
  Object.entries(replies).map(([what, [schema, good]]) => {
    const read = Schema.decodeUnknownResult(schema)
    // A reader keeps to the way that it goes first.
    assert.isTrue(Result.isSuccess(read(good)))
    return [what, good, read]
  })
const plain = readers()
compileSchemas()
const compiled = readers()

describe(`a compiled schema (seed ${seed})`, () => {
  for (const [index, [what, good, read]] of plain.entries()) {
    it(`reads ${what} as the schema itself does, and says the same of what is wrong with it`, () => {
      let successes = 0
      holds(near(good), times(20_000), (value) => {
        const [one, other] = [read(value), compiled[index]?.[2](value)]
        assert.isDefined(other)
        if (other === undefined) return
        if (Result.isSuccess(one)) successes++
        assert.deepStrictEqual(
          Result.isSuccess(other) ? other.success : String(other.failure),
          Result.isSuccess(one) ? one.success : String(one.failure)
        )
      })
      assert.isAbove(successes, 10)
    })
  }
})
