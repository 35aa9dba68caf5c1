import { assert, describe, it } from "@effect/vitest"
import { ApiKeys, type Basilica, Deployments, Executors, Timestamp } from "basilica-sdk"
import { Cause, Effect, Exit, Layer, Stream } from "effect"
import * as fc from "fast-check"
import { inspect } from "node:util"
import * as SshAccess from "../../src/schema/SshAccess.ts"
import { worked } from "../support/MachineTime.ts"
import { holds, holdsLater, patience, seed, times } from "../support/Scale.ts"
import { config, goodReply, over, token } from "./Victim.ts"

const anything = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true }),
  fc.anything({ key: fc.constantFrom("__proto__", "image", "executorId", "environment", "gpu", "follow", "timeout") }),
  fc.constantFrom(
    Symbol("x"),
    () => 1,
    /x/,
    new Error("x"),
    new Proxy({}, {}),
    Object.create(null),
    new Date(Number.NaN)
  )
)

/** The calls of people who have no types. */
const calls: ReadonlyArray<(input: never) => Effect.Effect<unknown, unknown, Basilica.Services>> = [
  (input) => Deployments.use((_) => _.deploy(input)),
  (input) => Deployments.use((_) => _.deploy({ ...config, environment: input })),
  (input) => Deployments.use((_) => _.deploy({ ...config, ports: input })),
  (input) => Deployments.use((_) => _.deploy({ ...config, image: input })),
  (input) => Deployments.use((_) => _.deploy(config, input)),
  (input) => Deployments.use((_) => _.list(input)),
  (input) => Deployments.use((_) => _.get(input)),
  (input) => Deployments.use((_) => _.waitUntilRunning("r", input)),
  (input) => Stream.runDrain(Stream.unwrap(Deployments.useSync((_) => _.logs("r", input)))),
  (input) => Stream.runDrain(Stream.unwrap(Deployments.useSync((_) => _.watch(input)))),
  (input) => Executors.use((_) => _.listAvailable(input)),
  (input) => ApiKeys.use((_) => _.create(input))
]

describe("an input", () => {
  it.live(`that is anything at all is used or refused, and is no defect (seed ${seed})`, () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(over(goodReply))
      yield* Effect.promise(() =>
        holdsLater(fc.tuple(anything, fc.nat({ max: calls.length - 1 })), times(20_000), async ([input, index]) => {
          const call = calls[index] ?? assert.fail("no such call")
          const exit = await Effect.runPromiseExit(
            Effect.provide(Effect.suspend(() => call(input as never)), context).pipe(Effect.timeout("50 millis"))
          )
          if (Exit.isFailure(exit)) assert.isFalse(Cause.hasDies(exit.cause), `${index}: ${Cause.pretty(exit.cause)}`)
        })
      )
    }), patience)

  it.live("with 10,000 mistakes is refused briefly", () =>
    Effect.gen(function*() {
      const ports = Array.from({ length: 10_000 }, () => ({ containerPort: 0, hostPort: -1, protocol: "x" }))
      const environment = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`N${index}`, 5]))
      for (const wrong of [{ ports }, { environment }, { gpu: environment }]) {
        const error = yield* Effect.flip(Deployments.use((_) => _.deploy({ ...config, ...wrong } as never))).pipe(
          Effect.provide(over(goodReply))
        )
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.isBelow(error.message.length, 30_000)
      }
    }), patience)

  it.live("that has a secret for a name does not have it in its error", () =>
    Effect.gen(function*() {
      for (
        const name of [`PASSWORD=${token}`, `${token}\u001b[31m`, `a b ${token}`, "\u001b[31m", token.repeat(9)]
      ) {
        for (
          const wrong of [
            { ...config, environment: { [name]: 5 } },
            { ...config, [name]: 5 },
            { ...config, ports: [{ [name]: 1 }] }
          ]
        ) {
          const error = yield* Effect.flip(Deployments.use((_) => _.deploy(wrong as never))).pipe(
            Effect.provide(over(goodReply))
          )
          assert.strictEqual(error._tag, "ConfigurationError")
          const shown = inspect(error, { depth: null })
          assert.notInclude(shown, token)
          assert.notMatch(error.message, /\p{Cc}/u)
        }
      }
    }))

  const wrongOptions: ReadonlyArray<readonly [string, unknown]> = [
    ["timeout", "soon"],
    ["timeout", -1],
    ["maxBodyBytes", Number.NaN],
    ["maxBodyBytes", -1],
    ["maxBodyBytes", "1"],
    ["baseUrl", 5],
    ["baseUrl", {}]
  ]
  for (const [name, value] of wrongOptions) {
    it.live(`for the option ${name} that is ${inspect(value)} is refused`, () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(
          Effect.provide(Executors.use((_) => _.listAvailable()), over(goodReply, { [name]: value }))
        )
        const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.deepInclude(error, { _tag: "ConfigurationError" }, inspect(error))
        assert.isTrue(Exit.isFailure(exit) && !Cause.hasDies(exit.cause))
        assert.include(String(error), name)
      }))
  }
})

describe("SSH credentials", () => {
  const part = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.constantFrom(
      "root",
      "-oProxyCommand=x",
      "$(reboot)",
      "`id`",
      "a;b",
      "a|b",
      "a&b",
      "a>b",
      "a\nb",
      "'",
      "\"",
      "\\",
      "*",
      "~",
      "#",
      "1.2.3.4",
      "::1",
      "[::1]",
      "host.example",
      "-L8080:h:80",
      "%h",
      "!x",
      "{a,b}"
    )
  )
  const credentials = fc.oneof(
    fc.tuple(part, part, fc.oneof(part, fc.integer().map(String))).map(([user, host, port]) =>
      `${user}@${host}:${port}`
    ),
    fc.tuple(part, part).map(([user, host]) => `${user}@${host}`),
    fc.array(fc.oneof(part, fc.constantFrom("ssh", "-p", "22", "-i")), { maxLength: 6 }).map((words) =>
      words.join(" ")
    ),
    part
  )

  it(`give a command that a shell takes for four plain words, or none (seed ${seed})`, () => {
    let some = 0
    holds(credentials, times(100_000), (text) => {
      const access = SshAccess.parse(text)
      if (access === undefined) return
      some++
      assert.match(access.command, /^ssh -p \d{1,5} [A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9:.][A-Za-z0-9:._-]*$/)
      assert.strictEqual(access.command, `ssh -p ${access.port} ${access.username}@${access.host}`)
      assert.isTrue(access.port >= 1 && access.port <= 65_535)
    })
    assert.isAbove(some, 50)
  })

  it("of any length are read in no time, and are not long", () => {
    for (const unit of [":", "a-", "a.", ".", "@", " ", "1:", "-p ", "root@", "f"]) {
      for (const frame of [(x: string) => x, (x: string) => `root@${x}z:22`, (x: string) => `ssh ${x}z -p 22`]) {
        let access: ReturnType<typeof SshAccess.parse>
        const millis = worked(() => access = SshAccess.parse(frame(unit.repeat(20_000))))
        assert.isBelow(millis, 300, unit)
        assert.isBelow(access?.command.length ?? 0, 400)
      }
    }
  })
})

describe("a time", () => {
  const time = fc.oneof(
    fc.string(),
    fc.constantFrom("9999-99-99T99:99:99Z", "2025-02-30T00:00:00Z", "+275760-09-13T00:00:00Z", "0000-00-00T00:00:00Z"),
    fc.tuple(fc.integer({ min: 0, max: 9999 }), fc.nat({ max: 99 }), fc.nat(), fc.constantFrom("Z", "+99:99", "-00:00"))
      .map(([year, month, fraction, zone]) =>
        `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-01T00:00:00.${fraction}${zone}`
      ),
    fc.nat({ max: 5000 }).map((digits) => `2025-01-01T00:00:00.${"9".repeat(digits)}Z`)
  )

  it(`that is none is known as that, and every two can be compared (seed ${seed})`, () => {
    holds(fc.tuple(time, time), times(50_000), ([left, right]) => {
      const date = Timestamp.toDate(left)
      if (date !== undefined) assert.isFalse(Number.isNaN(date.getTime()), left)
      assert.strictEqual(Math.sign(Timestamp.compare(left, right)), -Math.sign(Timestamp.compare(right, left)) + 0)
    })
  })
})
