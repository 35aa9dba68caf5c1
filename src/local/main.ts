import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FileSystem from "node:fs/promises"
import { createRequire } from "node:module"
import { ConfigurationError } from "../errors/ConfigurationError.ts"
import type { CatalogExecutor } from "../server/ExecutorCatalog.ts"
import { reader } from "../services/Input.ts"
import { LocalBasilica } from "./LocalBasilica.ts"

const Executors = Schema.Array(Schema.Struct({
  id: Schema.String,
  gpus: Schema.Array(Schema.String),
  cpu: Schema.Struct({ cores: Schema.Finite, model: Schema.String, memoryGb: Schema.Finite }),
  location: Schema.optionalKey(Schema.String),
  networkSpeed: Schema.optionalKey(Schema.Struct({
    downloadMbps: Schema.NullOr(Schema.Finite),
    uploadMbps: Schema.NullOr(Schema.Finite),
    testTimestamp: Schema.NullOr(Schema.String)
  })),
  minerId: Schema.optionalKey(Schema.String),
  verificationScore: Schema.optionalKey(Schema.Finite),
  uptimePercentage: Schema.optionalKey(Schema.Finite)
})) satisfies Schema.Schema<ReadonlyArray<CatalogExecutor>>

const readMachines = reader("basilica-local", Schema.Struct({ executors: Executors }), "executors")

const invalid = (field: string, problem: string) =>
  new ConfigurationError({ operation: "basilica-local", problems: [{ field, problem }] })

const readExecutors = Effect.fnUntraced(function*(file: string) {
  const text = yield* Effect.tryPromise({
    try: () => FileSystem.readFile(file, "utf8"),
    catch: (cause) => invalid("executors", `cannot be read (${String(cause)}); allowed: a JSON file of machines`)
  })
  const json = yield* Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: (cause) => invalid("executors", `is a file that is no JSON (${String(cause)}); allowed: a list of machines`)
  })
  return (yield* readMachines({ executors: json })).executors
})

const command = Command.make("basilica-local", {
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port to listen on; 0 for any that is free"),
    Flag.withDefault(0)
  ),
  executors: Flag.String("executors").pipe(
    Flag.withDescription("A JSON file with the machines to rent, in the place of the six that there are"),
    Flag.optional
  ),
  directory: Flag.String("dir").pipe(
    Flag.withDescription("Where logs and working directories are kept; by default they are removed at the end"),
    Flag.optional
  ),
  tenants: Flag.Int("tenants").pipe(
    Flag.withDescription("How many tenants there are, each with a token of its own"),
    Flag.withDefault(1)
  ),
  deviceSignIn: Flag.Boolean("device-sign-in").pipe(
    Flag.withDescription("Programs can be signed in at /activate, which asks for no password"),
    Flag.withDefault(false)
  ),
  cors: Flag.String("cors").pipe(
    Flag.withDescription("An origin whose web pages may use the server, such as http://localhost:5173"),
    Flag.atLeast(0)
  )
}, ({ cors, deviceSignIn, directory, executors, port, tenants }) =>
  Effect.gen(function*() {
    const basilica = yield* LocalBasilica
    const lines = basilica.tenants.map(({ name, token }, index) => {
      const line = `export BASILICA_API_URL=${basilica.url} BASILICA_API_TOKEN=${Redacted.value(token)}`
      return index === 0 ? line : `# ${name}: ${line}`
    })
    const about = `# Basilica on this machine; its documentation: ${basilica.url}/docs`
    const signIn =
      `# to sign in instead: unset BASILICA_API_TOKEN; export BASILICA_API_URL=${basilica.url} BASILICA_AUTH0_DOMAIN=${basilica.url}`
    yield* Console.log([about, ...lines, ...(deviceSignIn ? [signIn] : [])].join("\n"))
    return yield* Effect.never
  }).pipe(
    Effect.provide(Layer.unwrap(
      Effect.map(Effect.transposeOption(Option.map(executors, readExecutors)), (machines) =>
        LocalBasilica.layer({
          port,
          tenants,
          cors,
          deviceSignIn,
          directory: Option.getOrUndefined(directory),
          executors: Option.getOrUndefined(machines)
        }))
    ))
  )).pipe(
    Command.withDescription(
      "Serves the Basilica API on the loopback and runs the commands of deployments as processes of this machine, until " +
        "it is stopped"
    )
  )

const { version } = createRequire(import.meta.url)("../../package.json") as { readonly version: string }

command.pipe(
  Command.run({ version }),
  Effect.tapErrorTag(
    "ConfigurationError",
    ({ problems }) =>
      Console.error(problems.map(({ field, problem }) => `basilica-local: ${field} ${problem}`).join("\n"))
  ),
  Effect.provide(Layer.merge(
    Layer.merge(
      NodeServices.layer,
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.LogLevel] })
    ),
    Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])
  )),
  // What is wrong was said by now, and in fewer words; standard output is for a shell to read.
  NodeRuntime.runMain({ disableErrorReporting: true })
)
