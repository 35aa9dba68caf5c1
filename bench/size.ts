/** How much a browser loads for a program: bundled, minified and compressed. `node bench/size.ts`. */
import { build } from "esbuild"
import { gzipSync } from "node:zlib"
import * as Peers from "./Peers.ts"
import { list, report, type Row } from "./Table.ts"

const sizeOf = async (program: string, from = "..") => {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: `${import.meta.dirname}/${from}` },
    bundle: true,
    write: false,
    minify: true,
    platform: "browser",
    conditions: ["browser"],
    format: "esm",
    target: "es2022"
  })
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).byteLength / 1000
}

const promiseFace = `
import { BasilicaClient } from "basilica-sdk/promise"
const basilica = new BasilicaClient({ token: "t" })
for await (const { message } of basilica.deployments.logs("id", { follow: true })) console.log(message)
`
const effectFace = `
import { Basilica, Deployments } from "basilica-sdk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
Deployments.use((deployments) =>
  Stream.runForEach(deployments.logs("id", { follow: true }), ({ message }) => Effect.sync(() => console.log(message)))
).pipe(Effect.provide(Basilica.layer({ token: "t" })), Effect.runPromise)
`
/** The least that a client of these modules can be: one call, checked and tried again, and a log, without resume. */
const effectHttp = `
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Sse from "effect/encoding/Sse"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  console.log(yield* client.get("/rentals/id").pipe(
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Struct({ status: Schema.String }))),
    Effect.timeout("60 seconds"),
    Effect.retry(Schedule.exponential("100 millis"))
  ))
  yield* client.get("/rentals/id/logs").pipe(
    HttpClientResponse.stream,
    Stream.decodeText(),
    Stream.pipeThroughChannel(Sse.decodeDataSchema(Schema.Struct({ message: Schema.String }))),
    Stream.runForEach(({ data }) => Effect.sync(() => console.log(data.message)))
  )
}).pipe(Effect.provide(FetchHttpClient.layer), Effect.runPromise)
`
const peers = {
  openai: `
import { OpenAI } from "openai"
const client = new OpenAI({ apiKey: "t", dangerouslyAllowBrowser: true })
for await (const event of await client.get("/events", { stream: true })) console.log(event)
`,
  "@basilica/sdk": `
import { BasilicaClient } from "@basilica/sdk"
console.log(await new BasilicaClient({ token: "t" }).rentals.getLogs("id"))
`,
  axios: `
import axios from "axios"
console.log((await axios.get("/events")).data)
`,
  ky: `
import ky from "ky"
console.log(await ky("/events").json())
`
}

const measure = async (): Promise<ReadonlyArray<Row>> => {
  const sizes: Array<readonly [string, number]> = []
  if (Peers.wanted) {
    for (const [name, program] of Object.entries(peers)) {
      sizes.push([name, await sizeOf(program, ".")])
    }
  }
  const mark = { atMost: 60 }
  return [
    {
      what: "Size in a browser, Promise face and logs",
      mark,
      figure: await sizeOf(promiseFace),
      unit: " KB",
      beside: list([
        ["Effect face", await sizeOf(effectFace)],
        ["effect/http by hand", await sizeOf(effectHttp)],
        ...sizes
      ], " KB")
    }
  ]
}

report(await measure())
