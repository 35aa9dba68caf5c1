import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Body from "./Body.ts"
import { type Answer, IdentityProvider } from "./IdentityProvider.ts"
import * as Refusals from "./Refusals.ts"
import { TokenSigner } from "./TokenSigner.ts"

/** The routes of the sign-in service, beside those of the API. */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const provider = yield* IdentityProvider
  const { publicKey } = yield* TokenSigner
  yield* router.add("POST", "/oauth/token", withForm((form) => provider.token(form)))
  yield* router.add("POST", "/oauth/device/code", withForm((form) => provider.deviceCode(form)))
  yield* router.add("POST", "/oauth/revoke", withForm((form) => provider.revoke(form)))
  yield* router.add("GET", "/.well-known/jwks.json", HttpServerResponse.jsonUnsafe({ keys: [publicKey] }))
  if (!provider.deviceSignIn) return
  yield* router.add(
    "GET",
    "/activate",
    ({ url }) =>
      Effect.succeed(
        page(200, question(new URL(url, "http://localhost").searchParams.get("user_code") ?? "", provider.people))
      )
  )
  yield* router.add("POST", "/activate", (request) => activate(provider, request))
}))

const withForm =
  (answer: (form: URLSearchParams) => Effect.Effect<Answer>) => (request: HttpServerRequest.HttpServerRequest) =>
    Effect.map(
      Effect.flatMap(readForm(request), (read) =>
        read === undefined
          ? Effect.succeed<Answer>({
            status: 400,
            body: { error: "invalid_request", error_description: "The body is to be a form." }
          })
          : answer(read)),
      ({ body, status }) => HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })
    ).pipe(Refusals.respond)

const readForm = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<URLSearchParams | undefined, Refusals.Refusal> =>
  /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(request.headers["content-type"] ?? "")
    ? Effect.map(Body.readText(request), (text) => new URLSearchParams(text))
    : Effect.undefined

/**
 * The person's answer, which decides who a program acts for. It is taken from this page alone: what another page sends has
 * its own origin. A program sends none.
 */
const activate = Effect.fnUntraced(function*(
  provider: IdentityProvider["Service"],
  request: HttpServerRequest.HttpServerRequest
) {
  const { host, origin } = request.headers
  if (origin !== undefined && origin !== `http://${host}`) return HttpServerResponse.empty({ status: 403 })
  const read = yield* readForm(request)
  const userCode = (read?.get("user_code") ?? "").trim().toUpperCase()
  const answer = read?.get("answer")
  const person = read?.get("person") ?? provider.people[0]
  if (person === undefined || (answer !== "confirm" && answer !== "deny")) {
    return page(400, "<p>Choose to confirm or to deny.</p>")
  }
  const known = yield* provider.decide(userCode, answer === "confirm" ? { person } : "denied")
  if (!known) return page(404, "<p>No device waits with this code. It may have expired: start the sign-in again.</p>")
  return page(200, answer === "confirm" ? "<p>The device is signed in. You can close this page.</p>" : "<p>Denied.</p>")
}, Refusals.respond)

const question = (userCode: string, people: ReadonlyArray<string>): string =>
  `<p>A program asks to act for you. Confirm only what you began yourself, if it shows the same code.</p>
<form method="post" action="/activate">
<p><label>Code <input name="user_code" required value="${
    /^[A-Z]{4}-[A-Z]{4}$/.test(userCode) ? userCode : ""
  }"></label></p>
<p><label>Sign in as <select name="person">${
    people.map((one) => `<option>${one}</option>`).join("")
  }</select></label></p>
<p><button name="answer" value="confirm">Confirm</button> <button name="answer" value="deny">Deny</button></p>
</form>`

/** Loads nothing, and cannot be shown inside another page, which could lead a click to it. */
const page = (status: number, content: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(
    `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in to the local Basilica</title></head>
<body><h1>Sign in to the local Basilica</h1>
${content}
</body></html>
`,
    {
      status,
      contentType: "text/html; charset=utf-8",
      headers: {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "x-frame-options": "DENY",
        // With less than this a browser would not say the origin of the form.
        "referrer-policy": "same-origin"
      }
    }
  )
