import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { snakeKeys } from "../../src/schema/internal/snakeKeys.ts"
import { parseErrorBody, reasonLimit } from "../../src/schema/wire/ErrorBody.ts"
import { AvailableExecutorRead, toExecutor } from "../../src/schema/wire/Executors.ts"
import { decodeListing } from "../../src/schema/wire/Listing.ts"
import { fromRentalItem, RentalItemRead, RentalReply } from "../../src/schema/wire/Rentals.ts"
import { ExecutorsReply, StartRentalReply } from "../../src/schema/wire/Served.ts"

/** The reply of `GET /executors` as the service writes it. */
const executors = {
  available_executors: [{
    executor: {
      id: "2f0c6a3e",
      gpu_specs: [{ name: "NVIDIA H100 80GB HBM3", memory_gb: 80, compute_capability: "8.0" }],
      cpu_specs: { cores: 64, model: "AMD EPYC 9554", memory_gb: 512 },
      location: "Ashburn/Virginia/US",
      network_speed: { download_mbps: 941.2, upload_mbps: null, test_timestamp: "2025-09-19T10:00:00Z" },
      from_tomorrow: true
    },
    availability: { available_until: null, verification_score: 0.98, uptime_percentage: 99.5 }
  }],
  total_count: 1
}

describe("snakeKeys", () => {
  it("reads and writes snake_case for camelCase, digits and short words too", () => {
    const schema = snakeKeys(Schema.Struct({ id: Schema.String, memoryGb: Schema.Finite, aBC: Schema.String }))
    const wire = { id: "x", memory_gb: 1, a_b_c: "y" }
    const value = { id: "x", memoryGb: 1, aBC: "y" }
    assert.deepStrictEqual({ ...Schema.decodeSync(schema)(wire) }, value)
    assert.deepStrictEqual({ ...Schema.encodeSync(schema)(value) }, wire)
  })
})

describe("the wire schemas", () => {
  it("read the executors of the contract and write them back without loss", () => {
    const [first] = Schema.decodeSync(Schema.toEncoded(ExecutorsReply))(executors).available_executors
    assert.isDefined(first)
    assert.deepStrictEqual(first && toExecutor(first), {
      id: "2f0c6a3e",
      gpus: [{ name: "NVIDIA H100 80GB HBM3", memoryGb: 80, computeCapability: "8.0" }],
      cpu: { cores: 64, model: "AMD EPYC 9554", memoryGb: 512 },
      location: { city: "Ashburn", region: "Virginia", country: "US" },
      networkSpeed: { downloadMbps: 941.2, uploadMbps: undefined, testedAt: "2025-09-19T10:00:00Z" },
      verificationScore: 0.98,
      uptimePercentage: 99.5,
      availableUntil: undefined
    })
    const { from_tomorrow: _, ...executor } = executors.available_executors[0]?.executor ?? { from_tomorrow: true }
    const reply = Schema.decodeSync(ExecutorsReply)(executors)
    assert.deepEqual(Schema.encodeSync(ExecutorsReply)(reply).available_executors[0]?.executor, executor)
  })

  it("tell null from absent, and lose nothing by either", () => {
    const decode = Schema.decodeUnknownSync(StartRentalReply)
    assert.isNull(decode({ rental_id: "r", ssh_credentials: null }).sshCredentials)
    assert.notProperty(decode({ rental_id: "r" }), "sshCredentials")
    assert.notProperty(Schema.encodeSync(RentalReply)({ rentalId: "r", status: "active" }), "ssh_credentials")
    const location = (text: unknown) =>
      toExecutor(
        Schema.decodeUnknownSync(AvailableExecutorRead)({
          executor: { ...executors.available_executors[0]?.executor, location: text }
        })
      ).location
    assert.deepStrictEqual(location(null), {})
    assert.deepStrictEqual(location("Unknown/Unknown/US"), { country: "US" })
    assert.deepStrictEqual(location("Berlin"), { city: "Berlin" })
  })

  it("read a listed rental that tells the least", () => {
    const least = fromRentalItem({ rental_id: "r", state: "Hibernating" })
    assert.deepStrictEqual(least.status, { _tag: "Unknown", raw: "Hibernating" })
    assert.isUndefined(least.createdAt)
  })

  it("report a bad item beside the good ones", () => {
    const decode = decodeListing("rentals", RentalItemRead, {
      toDomain: (wire) => wire.rental_id,
      idOf: (raw) => (raw as { rental_id?: unknown } | null)?.rental_id
    })
    const listing = Result.getOrThrow(decode({
      rentals: [{ rental_id: "a", state: "Active" }, { rental_id: "b" }, null, { rental_id: "c", state: "Active" }],
      total_count: 9
    }))
    assert.deepStrictEqual(listing.items, ["a", "c"])
    assert.deepStrictEqual(listing.invalid.map(({ id, index }) => [index, id]), [[1, "b"], [2, undefined]])
    assert.strictEqual(listing.totalCount, 9)
    assert.isTrue(Result.isFailure(decode({ rentals: "none" })))
    assert.isTrue(Result.isFailure(decode(null)))
  })
})

describe("the body of a failure", () => {
  it("is understood in each shape that occurs", () => {
    const timestamp = "2025-09-20T12:34:56.123456789Z"
    const cases = [
      [
        `{"error":{"code":"BASILICA_API_BAD_REQUEST","message":"Bad request: Invalid SSH public key","timestamp":"${timestamp}","retryable":false}}`,
        { code: "BASILICA_API_BAD_REQUEST", reason: "Bad request: Invalid SSH public key" }
      ],
      ["", { code: undefined, reason: "" }],
      ["Failed to deserialize the JSON body", { code: undefined, reason: "Failed to deserialize the JSON body" }],
      [
        "<html><head><title>503 Service Unavailable</title></head><body>x</body></html>",
        { code: undefined, reason: "503 Service Unavailable" }
      ],
      [`{"error":"NOT_FOUND","message":"no such thing"}`, { code: "NOT_FOUND", reason: "no such thing" }],
      [`{"error":"Failed to fetch GPU prices"}`, { code: undefined, reason: "Failed to fetch GPU prices" }],
      [`{"error":`, { code: undefined, reason: `{"error":` }],
      [`{"error":{"code":7,"message":null}}`, { code: undefined, reason: "" }]
    ] as const
    for (const [body, words] of cases) assert.deepStrictEqual(parseErrorBody(body), words, body)
  })

  it("is cut at its limit, on one line, without half a character at the end", () => {
    const { reason } = parseErrorBody(`a\r\n\u001b[31m${"x".repeat(reasonLimit - 8)}😀 and more`)
    assert.isAtMost(reason.length, reasonLimit)
    assert.notMatch(reason, /\p{Cc}/u)
    assert.notMatch(reason, /[\uD800-\uDBFF]$/)
  })
})
