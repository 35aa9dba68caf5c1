import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Base64Url } from "effect/encoding"
import { TestClock } from "effect/testing"
import { inMemory, machine, type Reply, signer } from "./Harness.ts"

const audience = "https://api.basilica.ai/"
const scope = "openid profile email offline_access rentals:* executors:list keys:create keys:list keys:revoke"
const grantType = "urn:ietf:params:oauth:grant-type:device_code"

const claims = { iss: "http://basilica.test/", sub: "tenant-1", aud: [audience], exp: 3600, scope: "executors:list" }

/** A token that says what it is told to, with the good signature. */
const signed = Effect.fnUntraced(function*(payload: object, head: object = {}) {
  const text = [{ alg: "RS256", kid: signer.keyId, ...head }, payload]
    .map((part) => Base64Url.encode(JSON.stringify(part))).join(".")
  return `${text}.${Base64Url.encode(yield* signer.sign(text))}`
})

const refused = ({ json, status }: Reply, expected: number, error: string) => {
  assert.strictEqual(status, expected)
  assert.strictEqual(json.error, error)
}

const signingIn: typeof inMemory = (host, options) => inMemory(host, { deviceSignIn: true, ...options })

describe("an access token", () => {
  it.effect("lets in for as long as it lives, to what its scopes cover", () =>
    Effect.gen(function*() {
      const { call } = yield* signingIn(machine())
      const token = yield* signed(claims)
      assert.strictEqual((yield* call("GET", "/executors", { token })).status, 200)
      assert.strictEqual((yield* call("GET", "/rentals", { token })).status, 403)
      const wildcard = yield* signed({ ...claims, aud: audience, scope: "rentals:*" })
      assert.strictEqual((yield* call("GET", "/rentals", { token: wildcard })).status, 200)
      assert.strictEqual((yield* call("GET", "/executors", { token: wildcard })).status, 403)
      yield* TestClock.adjust("1 hour")
      const late = yield* call("GET", "/executors", { token })
      assert.strictEqual(late.status, 401)
      assert.strictEqual(late.json.error.message, "Authentication error: Invalid token")
    }))

  const tampered = (token: string) => {
    const [head = "", , signature = ""] = token.split(".")
    return `${head}.${Base64Url.encode(JSON.stringify({ ...claims, sub: "tenant-2" }))}.${signature}`
  }
  const bad = [
    ["another's claims", Effect.map(signed(claims), tampered), "Invalid token"],
    [
      "no signature",
      Effect.map(signed(claims), (token) => token.slice(0, token.lastIndexOf(".") + 1)),
      "Invalid token"
    ],
    ["the algorithm none", signed(claims, { alg: "none" }), "Invalid token"],
    ["the algorithm HS256", signed(claims, { alg: "HS256" }), "Invalid token"],
    ["another key's name", signed(claims, { kid: "other" }), "Invalid token"],
    ["no end", signed({ ...claims, exp: undefined }), "Invalid token"],
    ["a fourth part", Effect.map(signed(claims), (token) => `${token}.x`), "Invalid token"],
    ["another audience", signed({ ...claims, aud: ["https://api.other/"] }), "Token not authorized for this API"],
    ["another issuer", signed({ ...claims, iss: "https://evil/" }), "Token issued by unauthorized provider"]
  ] as const

  for (const [name, token, message] of bad) {
    it.effect(`with ${name} lets nobody in`, () =>
      Effect.gen(function*() {
        const { call } = yield* signingIn(machine())
        const reply = yield* call("GET", "/executors", { token: yield* token })
        assert.strictEqual(reply.status, 401)
        assert.strictEqual(reply.json.error.message, `Authentication error: ${message}`)
      }))
  }

  it.effect("can be verified by others with the key that is published", () =>
    Effect.gen(function*() {
      const { call, tokens: [token = ""] } = yield* signingIn(machine())
      const { json } = yield* call("GET", "/.well-known/jwks.json", { token: null })
      assert.deepStrictEqual(Object.keys(json.keys[0]).toSorted(), ["alg", "e", "kid", "kty", "n", "use"])
      const [head = "", payload = "", signature = ""] = token.split(".")
      const verified = yield* Effect.promise(async () => {
        const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }
        const key = await crypto.subtle.importKey("jwk", json.keys[0], algorithm, false, ["verify"])
        const bytes = new TextEncoder().encode(`${head}.${payload}`)
        return crypto.subtle.verify(algorithm, key, Buffer.from(signature, "base64url"), bytes)
      })
      assert.isTrue(verified)
    }))
})

describe("a refresh token", () => {
  it.effect("is good for one use; used again it ends its whole family, but no other", () =>
    Effect.gen(function*() {
      const { call, first: { tokens }, post } = yield* signingIn(machine())
      const refresh = (token: string) => post("/oauth/token", { grant_type: "refresh_token", refresh_token: token })
      const old = Redacted.value(tokens.refreshToken)
      const second = yield* refresh(old)
      assert.strictEqual(second.status, 200)
      assert.strictEqual(second.headers.get("cache-control"), "no-store")
      assert.deepInclude(second.json, { token_type: "Bearer", expires_in: 86_400, scope })
      assert.strictEqual((yield* call("GET", "/rentals", { token: second.json.access_token })).status, 200)
      const third = yield* refresh(second.json.refresh_token)
      const other = yield* signedIn(post)
      refused(yield* refresh(old), 403, "invalid_grant")
      refused(yield* refresh(third.json.refresh_token), 403, "invalid_grant")
      assert.strictEqual((yield* refresh(other.json.refresh_token)).status, 200)
      // As with the real one, an access token lives on.
      assert.strictEqual((yield* call("GET", "/rentals", { token: third.json.access_token })).status, 200)
    }))

  it.effect("is taken again within the overlap, until the next one is used", () =>
    Effect.gen(function*() {
      const { first: { tokens }, post } = yield* signingIn(machine(), { refreshOverlap: "10 seconds" })
      const refresh = (token: string) => post("/oauth/token", { grant_type: "refresh_token", refresh_token: token })
      const old = Redacted.value(tokens.refreshToken)
      yield* refresh(old)
      yield* TestClock.adjust("9 seconds")
      const again = yield* refresh(old)
      assert.strictEqual(again.status, 200)
      const next = yield* refresh(again.json.refresh_token)
      refused(yield* refresh(old), 403, "invalid_grant")
      refused(yield* refresh(next.json.refresh_token), 403, "invalid_grant")

      const late = yield* signedIn(post)
      yield* refresh(late.json.refresh_token)
      yield* TestClock.adjust("10 seconds")
      refused(yield* refresh(late.json.refresh_token), 403, "invalid_grant")
    }))

  it.effect("is of no use once it was revoked, and so is its family", () =>
    Effect.gen(function*() {
      const { first: { tokens }, post } = yield* signingIn(machine())
      const refresh = (token: string) => post("/oauth/token", { grant_type: "refresh_token", refresh_token: token })
      const { json } = yield* refresh(Redacted.value(tokens.refreshToken))
      assert.strictEqual((yield* post("/oauth/revoke", { token: json.refresh_token })).status, 200)
      refused(yield* refresh(json.refresh_token), 403, "invalid_grant")
      assert.strictEqual((yield* post("/oauth/revoke", { token: "never was" })).status, 200)
    }))

  it.effect("is not given to a device that did not ask for it", () =>
    Effect.gen(function*() {
      const { call, post } = yield* signingIn(machine())
      const { json } = yield* signedIn(post, "executors:list admin:*")
      assert.notProperty(json, "refresh_token")
      assert.strictEqual(json.scope, "executors:list")
      assert.strictEqual((yield* call("GET", "/executors", { token: json.access_token })).status, 200)
      assert.strictEqual((yield* call("GET", "/rentals", { token: json.access_token })).status, 403)
    }))
})

type Post = Effect.Success<ReturnType<typeof inMemory>>["post"]

const begin = (post: Post, asked = scope) => post("/oauth/device/code", { scope: asked, audience })
const poll = (post: Post, { json }: Reply) =>
  post("/oauth/token", { grant_type: grantType, device_code: json.device_code })
const confirm = (post: Post, { json }: Reply, form: Record<string, string> = {}, headers?: Record<string, string>) =>
  post("/activate", { user_code: json.user_code, person: "tenant-1", answer: "confirm", ...form }, headers)

const signedIn = Effect.fnUntraced(function*(post: Post, asked = scope) {
  const code = yield* begin(post, asked)
  assert.strictEqual((yield* confirm(post, code)).status, 200)
  return yield* poll(post, code)
})

describe("a device", () => {
  it.effect("waits until a person confirms its code, and gets its tokens once", () =>
    Effect.gen(function*() {
      const { call, post } = yield* signingIn(machine())
      const code = yield* begin(post)
      assert.match(code.json.user_code, /^[B-Z]{4}-[B-Z]{4}$/)
      assert.deepInclude(code.json, {
        verification_uri: "http://basilica.test/activate",
        verification_uri_complete: `http://basilica.test/activate?user_code=${code.json.user_code}`,
        expires_in: 600,
        interval: 5
      })
      refused(yield* poll(post, code), 403, "authorization_pending")
      // To look at the page is no answer.
      const page = yield* call("GET", `/activate?user_code=${code.json.user_code}`, { token: null })
      assert.include(page.text, `value="${code.json.user_code}"`)
      assert.match(page.headers.get("content-security-policy") ?? "", /frame-ancestors 'none'/)
      yield* TestClock.adjust("5 seconds")
      refused(yield* poll(post, code), 403, "authorization_pending")
      assert.strictEqual((yield* confirm(post, code, { person: "tenant-2" })).status, 200)
      yield* TestClock.adjust("5 seconds")
      const tokens = yield* poll(post, code)
      assert.strictEqual(tokens.status, 200)
      refused(yield* poll(post, code), 403, "invalid_grant")
      const payload = JSON.parse(Buffer.from(tokens.json.access_token.split(".")[1], "base64url").toString())
      assert.deepInclude(payload, { sub: "tenant-2", iat: 10, exp: 86_410, scope, aud: [audience] })
    }))

  it.effect("that asks too soon is told to slow down, by 5 seconds each time", () =>
    Effect.gen(function*() {
      const { post } = yield* signingIn(machine())
      const code = yield* begin(post)
      refused(yield* poll(post, code), 403, "authorization_pending")
      yield* TestClock.adjust("4 seconds")
      refused(yield* poll(post, code), 429, "slow_down")
      yield* TestClock.adjust("9 seconds")
      refused(yield* poll(post, code), 429, "slow_down")
      yield* confirm(post, code)
      yield* TestClock.adjust("14 seconds")
      refused(yield* poll(post, code), 429, "slow_down")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* poll(post, code)).status, 200)
    }))

  it.effect("is not signed in where the person denies, waits too long, or is nobody", () =>
    Effect.gen(function*() {
      const { post } = yield* signingIn(machine())
      const denied = yield* begin(post)
      assert.strictEqual((yield* confirm(post, denied, { answer: "deny" })).status, 200)
      assert.strictEqual((yield* confirm(post, denied)).status, 404)
      refused(yield* poll(post, denied), 403, "access_denied")

      const late = yield* begin(post)
      assert.strictEqual((yield* confirm(post, late, { person: "tenant-9" })).status, 404)
      assert.strictEqual((yield* confirm(post, late, { answer: "" })).status, 400)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* confirm(post, late)).status, 404)
      refused(yield* poll(post, late), 403, "expired_token")
    }))

  it.effect("is confirmed on the page of this server alone, whoever else may call it", () =>
    Effect.gen(function*() {
      const { post } = yield* signingIn(machine())
      const code = yield* begin(post)
      const host = "basilica.test"
      for (const origin of ["https://evil.test", "null", "http://basilica.test:81"]) {
        assert.strictEqual((yield* confirm(post, code, {}, { host, origin })).status, 403)
      }
      refused(yield* poll(post, code), 403, "authorization_pending")
      assert.strictEqual((yield* confirm(post, code, {}, { host, origin: `http://${host}` })).status, 200)
    }))

  it.effect("has a page that repeats nothing but a code", () =>
    Effect.gen(function*() {
      const { call } = yield* signingIn(machine())
      const { text } = yield* call("GET", `/activate?user_code=${encodeURIComponent("\"><script>")}`, { token: null })
      assert.notInclude(text, "<script")
      assert.include(text, "value=\"\"")
    }))

  it.effect("cannot be signed in where that is switched off", () =>
    Effect.gen(function*() {
      const { call, post } = yield* signingIn(machine(), { deviceSignIn: false })
      refused(yield* begin(post), 403, "unauthorized_client")
      assert.strictEqual((yield* call("GET", "/activate", { token: null })).status, 401)
      assert.strictEqual((yield* post("/activate", { user_code: "BBBB-BBBB", answer: "confirm" })).status, 401)
    }))
})

describe("a request that is none of these", () => {
  it.effect("is refused with the code that says why", () =>
    Effect.gen(function*() {
      const { call, first: { tokens }, post } = yield* signingIn(machine())
      const refreshToken = Redacted.value(tokens.refreshToken)
      const grant = { grant_type: "refresh_token", refresh_token: refreshToken }
      refused(yield* post("/oauth/token", { ...grant, client_id: "other" }), 401, "invalid_client")
      refused(yield* post("/oauth/token", { ...grant, grant_type: "password" }), 403, "unsupported_grant_type")
      refused(yield* post("/oauth/token", grant, { "content-type": "text/plain" }), 400, "invalid_request")
      refused(yield* call("POST", "/oauth/token", { token: null, body: grant }), 400, "invalid_request")
      refused(yield* post("/oauth/device/code", { audience: "https://other/" }), 403, "access_denied")
      assert.strictEqual((yield* post("/oauth/token", grant)).status, 200)
      assert.strictEqual((yield* call("GET", "/oauth/token", { token: null })).status, 401)
    }))
})
