// Signing a person in with a code, as a program on a machine without a browser does; then working with the token file,
// and signing out.
//
//   npx node --conditions=basilica-sdk-source examples/signin.ts   in the repository
//   node examples/signin.ts   in a copy of this folder, beside an installed basilica-sdk
//
// It uses a Basilica on this machine, which plays the sign-in service too, and plays the person itself.
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { ApiKeys, Auth, Basilica, type DeviceLoginStep, Executors } from "basilica-sdk"
import { LocalBasilica } from "basilica-sdk/local"
import { NodeHttpClient, TokenFile } from "basilica-sdk/node"
import { Console, Effect, FileSystem, Layer, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"

/** What you would do: open the address, compare the code, confirm. */
const confirm = Effect.fn("confirm")(function*(address: string, userCode: string) {
  yield* HttpClient.execute(
    HttpClientRequest.post(address).pipe(HttpClientRequest.bodyUrlParams({ user_code: userCode, answer: "confirm" }))
  )
})

const show = Effect.fn("show")(function*(step: DeviceLoginStep) {
  if (step._tag === "ShowCode") {
    yield* Console.log(`Enter the code ${step.userCode} at ${step.verificationUri}`)
    yield* Effect.forkChild(Effect.delay(confirm(step.verificationUri, step.userCode), "1500 millis"))
  } else {
    yield* Console.log(step._tag === "Waiting" ? "... not yet" : `Signed in; kept in ${step.location}`)
  }
})

/** What any program does that finds the token file: it says nothing of signing in. */
const work = Effect.gen(function*() {
  const { items } = yield* (yield* Executors).listAvailable()
  yield* Console.log(`${items.length} machines are free`)
  const keys = yield* ApiKeys
  const { name } = yield* keys.create("ci-bot") // an API key could not do this
  yield* keys.revoke(name)
})

const program = Effect.gen(function*() {
  const { signIn, url } = yield* LocalBasilica
  const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  // Without a path it is the file of the official command line, and without `signIn` its sign-in service.
  const file = TokenFile.layer({ path: `${directory}/auth.json` })

  yield* Auth.deviceLogin(signIn).pipe(Stream.runForEach(show), Effect.provide(file))

  const auth = Layer.provide(Auth.layerFile(signIn), file)
  yield* Effect.provide(work, Basilica.layer({ baseUrl: url, auth }))

  yield* Auth.signOut(signIn).pipe(Effect.provide(file))
  yield* Console.log("Signed out")
}).pipe(
  Effect.scoped,
  Effect.provide([
    LocalBasilica.layer({ deviceSignIn: true, deviceInterval: "1 second" }),
    NodeHttpClient.layer,
    NodeServices.layer
  ])
)

NodeRuntime.runMain(program)
