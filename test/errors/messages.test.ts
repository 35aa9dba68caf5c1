import * as Face from "basilica-sdk"
import * as Promise from "basilica-sdk/promise"
import { inspect } from "node:util"
import { assert, describe, expectTypeOf, it } from "vitest"

/** One of each error, and what a person must find in its message. */
const operation = "Deployments.deploy"
const errors: ReadonlyArray<readonly [Error & { readonly _tag: string; readonly retryable: boolean }, RegExp]> = [
  [
    new Face.ConfigurationError({ operation, problems: [{ field: "image", problem: "is empty; allowed: a name" }] }),
    /image is empty; allowed: a name\. Nothing was sent\./
  ],
  [
    new Face.AuthenticationError({
      operation,
      kind: "missing",
      reason: "there is no token",
      remedy: "Set BASILICA_API_TOKEN."
    }),
    /no token\. Set BASILICA_API_TOKEN\./
  ],
  [new Face.AuthorizationError({ operation, scope: "rentals:create" }), /scope rentals:create.*check the base URL\./],
  [new Face.NotFound({ operation, resource: "deployment", id: "rental-1" }), /no deployment "rental-1".*list/],
  [new Face.RateLimited({ operation, retryAfterMillis: 7000 }), /Wait 7 s and try again/],
  [new Face.Conflict({ operation, reason: "Conflict: the name is taken." }), /the name is taken.*Choose another/],
  [
    new Face.NetworkError({ operation, phase: "connect", reason: "ECONNREFUSED", outcome: "none" }),
    /could not connect: ECONNREFUSED.*Nothing was done/
  ],
  [
    new Face.NetworkError({ operation, phase: "body", reason: "ECONNRESET", outcome: "unknown" }),
    /while the reply was read.*may have been carried out/
  ],
  [
    new Face.TimeoutError({ operation, phase: "headers", afterMillis: 30_000, outcome: "none" }),
    /after 30 s, while waiting for the reply.*option timeout, of the call or of the client/
  ],
  [
    new Face.TimeoutError({
      operation,
      phase: "polling",
      afterMillis: 1500,
      outcome: "done",
      lastSeen: { _tag: "Pending", raw: "pending" }
    }),
    /after 1.5 s, the last status seen was Pending.*billed/
  ],
  [
    new Face.InvalidResponse({ operation, reason: "the body is not JSON", status: 200, outcome: "none" }),
    /200.*not JSON.*base URL/
  ],
  [
    new Face.ApiError({
      operation,
      status: 503,
      code: "BASILICA_API_AUTH_ERROR",
      reason: "no keys",
      retryable: true,
      outcome: "none"
    }),
    /503 BASILICA_API_AUTH_ERROR, saying: no keys\. Try again later/
  ],
  [
    new Face.DeploymentError({
      operation,
      reason: "executor matching GPU requirements (404)",
      remedy: "Look.",
      outcome: "none"
    }),
    /was refused: executor matching GPU requirements \(404\)\. Look\./
  ],
  [
    new Face.DeploymentError({ operation, id: "rental-1", reason: "it failed", remedy: "Stop it.", outcome: "done" }),
    /deploy: deployment rental-1: it failed\. Stop it\./
  ],
  [
    new Face.DeployOutcomeUnknown({
      operation,
      executorId: "e1",
      image: "ubuntu",
      sentAt: "2025-09-20T12:00:00Z",
      candidates: ["rental-1", "rental-2"],
      reason: "the service answered 502"
    }),
    /ubuntu on executor e1.*502.*rental-1, rental-2.*Deployments\.list.*billed/
  ],
  [
    new Face.LogGap({
      operation,
      id: "rental-1",
      stream: "stdout",
      after: "2025-09-20T12:00:00Z",
      before: "2025-09-20T12:07:00Z",
      linesBefore: 12,
      cursor: Face.LogCursor.start("rental-1")
    }),
    /stdout of deployment rental-1 may be missing.*line 12 of .*12:00:00Z.*12:07:00Z.*from: error\.cursor/
  ],
  [
    new Face.StopUnconfirmed({
      operation,
      id: "rental-1",
      reason: "the service answered 500",
      lastSeen: { _tag: "Running", raw: "active" }
    }),
    /nothing proves.*rental-1.*500.*last status was Running.*billed/
  ]
]

describe("errors", () => {
  it("are all read here", () => {
    const classes = Object.values(Face).flatMap((value) =>
      typeof value === "function" && value.prototype instanceof Error ? [value] : []
    )
    const read = new Set<unknown>(errors.map(([error]) => error.constructor))
    assert.deepEqual(classes.filter((one) => !read.has(one)).map((one) => one.name), [])
  })

  for (const [error, words] of errors) {
    it(`${error._tag} says what happened, to what, and what to do: ${error.message}`, () => {
      assert.match(error.message, words)
      assert.include(error.message, operation)
      assert.match(error.message, /[.)]$/)
      assert.notMatch(error.message, /undefined|\[object|\s\s|\.\./)
      assert.isBelow(error.message.length, 500)
      assert.strictEqual(error.name, error._tag)
      assert.include(String(error.stack), error.message)
      assert.isBoolean(error.retryable)
      assert.strictEqual(
        inspect(error).slice(0, `${error._tag}: ${error.message}\n    at`.length),
        `${error._tag}: ${error.message}\n    at`
      )
      assert.include(inspect(error), `operation: '${operation}'`)
      assert.deepInclude(JSON.parse(JSON.stringify(error)), { _tag: error._tag, message: error.message, operation })
      assert.include(["none", "unknown", "done"], (error as unknown as { readonly outcome: string }).outcome)
    })
  }

  /** Each that repeats words which are not its own. */
  const quoting: Record<string, (reason: string) => Error> = {
    ApiError: (reason) => new Face.ApiError({ operation, status: 500, reason, retryable: true, outcome: "none" }),
    AuthenticationError: (reason) =>
      new Face.AuthenticationError({ operation, kind: "refused", reason, remedy: "Do." }),
    Conflict: (reason) => new Face.Conflict({ operation, reason }),
    DeploymentError: (reason) => new Face.DeploymentError({ operation, reason, remedy: "Do.", outcome: "none" }),
    DeployOutcomeUnknown: (reason) =>
      new Face.DeployOutcomeUnknown({
        operation,
        executorId: "e",
        image: "i",
        sentAt: "2025-09-20T12:00:00Z",
        candidates: [],
        reason
      }),
    InvalidResponse: (reason) => new Face.InvalidResponse({ operation, status: 200, reason, outcome: "none" }),
    NetworkError: (reason) => new Face.NetworkError({ operation, phase: "body", reason, outcome: "none" }),
    StopUnconfirmed: (reason) => new Face.StopUnconfirmed({ operation, id: "rental-1", reason })
  }
  for (const [name, make] of Object.entries(quoting)) {
    it(`${name} is made of sentences, however the words end that it repeats`, () => {
      for (const reason of ["it broke", "it broke.", "it broke!", "did it break?"]) {
        const end = /[.!?]$/.test(reason) ? "" : "."
        assert.include(make(reason).message, `${reason}${end} `)
        assert.notMatch(make(reason).message, /[.!?][.!?]|\s\s/)
      }
    })
  }

  it("ApiError and InvalidResponse say to look first where it may have been done", () => {
    const errors = [
      new Face.ApiError({ operation, status: 500, reason: "", retryable: true, outcome: "unknown" }),
      new Face.InvalidResponse({ operation, status: 200, reason: "no JSON", outcome: "unknown" })
    ]
    for (const { message } of errors) {
      assert.match(message, /may have been carried out: check before you send it again\./)
    }
  })

  it("NetworkError says what helps where there is no connection", () => {
    const cases = [
      [
        "ECONNREFUSED (http://127.0.0.1:4101)",
        "nothing listens there: is basilica-local running? It may have a new address"
      ],
      ["ConnectionRefused (http://localhost:4101)", "is basilica-local running?"],
      ["ECONNREFUSED (https://api.basilica.ai)", "try again when the network is back."],
      ["ENOTFOUND (https://api.basilica.example)", "check the base URL."],
      ["SELF_SIGNED_CERT_IN_CHAIN (https://a.b)", "check the base URL."],
      ["EPROTO (https://a.b)", "check the base URL."],
      ["the runtime gave no reason (https://a.b)", "(CORS)."]
    ] as const
    for (const [reason, advice] of cases) {
      const { message } = new Face.NetworkError({ operation, phase: "connect", reason, outcome: "none" })
      assert.include(message, "Nothing was done; ")
      assert.include(message, advice)
    }
  })

  it("Conflict says so where the service does not say why", () => {
    assert.include(
      new Face.Conflict({ operation, reason: "" }).message,
      "was refused (409) with no message. Choose another"
    )
  })
})

it("an error of this package is told from any other, and its type is the union of all", () => {
  for (const [error] of errors) {
    assert.isTrue(Face.isBasilicaError(error), error._tag)
    assert.isTrue(Promise.isBasilicaError(error), error._tag)
  }
  for (const other of [undefined, null, "NotFound", { _tag: "NotFound" }, new Error("of somebody else")]) {
    assert.isFalse(Face.isBasilicaError(other))
  }
  type Thrown = { [Name in keyof typeof Face]: (typeof Face)[Name] extends new(fields: never) => infer E ? E : never }
  expectTypeOf<Face.BasilicaError>().toEqualTypeOf<Extract<Thrown[keyof Thrown], Error>>()
})

describe("an error is told by instanceof", () => {
  class OwnNotFound extends Face.NotFound {}
  const given = { operation, resource: "deployment" as const, id: "rental-1" }

  it("of its own class, of a program's class made of it, and of no other", () => {
    assert.instanceOf(new Face.NotFound(given), Face.NotFound)
    assert.instanceOf(new OwnNotFound(given), Face.NotFound)
    assert.instanceOf(new OwnNotFound(given), OwnNotFound)
    assert.notInstanceOf(new Face.NotFound(given), OwnNotFound)
    assert.notInstanceOf(new Face.NotFound(given), Face.Conflict)
    assert.notInstanceOf(Object.assign(new Error("of somebody else"), { _tag: "NotFound" }), Face.NotFound)
    for (const nothing of [undefined, null, "NotFound", { _tag: "NotFound" }]) {
      assert.notInstanceOf(nothing, Face.NotFound)
    }
  })
})
