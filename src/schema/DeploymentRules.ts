import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { Id } from "./Id.ts"
import * as ImageReference from "./ImageReference.ts"
import { must } from "./must.ts"
import { defaultResources } from "./ResourceRequirements.ts"
import * as SshPublicKey from "./SshPublicKey.ts"
import { count, countFrom, gpuName } from "./wire/fields.ts"

const optional = <S extends Schema.Constraint>(schema: S, value: S["Type"]) =>
  Schema.withDecodingDefaultType<S>(Effect.succeed(value))(schema)

const noNul = must((text: string) => !text.includes("\0"), "holds a NUL character; allowed: any other text")

const EnvironmentName = must(
  (environment: { readonly [name: string]: string }) =>
    Object.keys(environment).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)),
  "has a name that is not one of a variable; allowed: names of letters, digits and _ that do not begin with a digit"
)

/** The ports of a machine that the service does not give out. */
export const refusedHostPorts: ReadonlyArray<number> = [22, 111, 2049]

/** The directories of a machine that the service shows to no container, with all that is in them. */
export const refusedHostPaths: ReadonlyArray<string> = [
  "/etc",
  "/root",
  "/home",
  "/var/run/docker.sock",
  "/proc",
  "/sys",
  "/dev"
]

/** What is said where a thing is of another kind, or missing. */
const like = (example: string) => ({ identifier: example })
const missing = (allowed: string) => ({ messageMissingKey: `is missing; allowed: ${allowed}` })

const aPort = "PortMapping.tcp(8080)"
const aVolume = "{ hostPath: \"/data\", containerPath: \"/data\" }"

const Port = Schema.Struct({
  containerPort: Schema.Finite.check(Schema.makeFilter((port) =>
    port === 22
      ? "is 22, which the service silently drops because it opens SSH by itself; allowed: 1 to 65535 except 22"
      : Number.isInteger(port) && port >= 1 && port <= 65535
      ? undefined
      : "is not a port; allowed: 1 to 65535 except 22"
  )).annotateKey(missing(aPort)),
  hostPort: Schema.Finite.check(must(
    (port) => Number.isInteger(port) && port >= 0 && port <= 65535 && !refusedHostPorts.includes(port),
    "is not a port that the service gives out; allowed: 0 for any, or 1 to 65535 except 22, 111 and 2049"
  )).annotateKey(missing(aPort)),
  protocol: Schema.String.check(must(
    (protocol) => protocol === "tcp" || protocol === "udp",
    "is not a protocol that the service takes; allowed: \"tcp\" or \"udp\""
  )).annotateKey(missing("\"tcp\" or \"udp\""))
}).annotate(like(aPort))

const Ports = Schema.Array(Port).check(Schema.makeFilter((ports) => {
  const fixed = ports.filter((port) => port.hostPort !== 0).map((port) => `${port.hostPort}/${port.protocol}`)
  return new Set(fixed).size === fixed.length
    ? undefined
    : "uses one host port twice; allowed: each host port once for each protocol"
})).annotate(like(`an array, such as [${aPort}]`))

const path = Schema.makeFilter((text: string) => {
  if (!/^\/[A-Za-z0-9._/@%+=-]*$/.test(text)) {
    return "is not a path that reaches the machine unbroken; allowed: absolute, of letters, digits and . _ - / @ % + ="
  }
  return text.split("/").includes("..")
    ? "has a .. in it, for which the service silently drops the volume; allowed: absolute paths without .."
    : undefined
})

const hostPath = Schema.makeFilter((text: string) => {
  const clean = `/${text.split("/").filter((part) => part !== "" && part !== ".").join("/")}`
  return refusedHostPaths.some((refused) => clean === refused || clean.startsWith(`${refused}/`))
    ? `is a path that the service refuses; allowed: any but those under ${refusedHostPaths.join(", ")}`
    : undefined
})

const Volume = Schema.Struct({
  hostPath: Schema.String.check(path, hostPath).annotateKey(missing(aVolume)),
  containerPath: Schema.String.check(path).annotateKey(missing(aVolume)),
  readOnly: optional(Schema.Boolean, false)
}).annotate(like(aVolume))

const Resources = Schema.Struct({
  cpuCores: optional(
    Schema.Finite.check(must(
      (cores) => cores >= 0,
      "is not a number of cores; allowed: 0 for no limit, or more"
    )),
    defaultResources.cpuCores
  ),
  memoryMb: optional(count, defaultResources.memoryMb),
  storageMb: optional(count, defaultResources.storageMb),
  gpuCount: optional(count, defaultResources.gpuCount),
  gpuTypes: optional(Schema.Array(Schema.String), defaultResources.gpuTypes)
})

const Gpu = Schema.Struct({
  type: Schema.optional(gpuName),
  count: optional(countFrom(1), 1),
  minMemoryGb: optional(count, 0)
}).annotate(like("an object, such as { type: \"h100\", count: 1 }"))

const Fields = Schema.Struct({
  executorId: Schema.optional(Id),
  gpu: Schema.optional(Gpu),
  image: Schema.String.check(Schema.makeFilter(ImageReference.problem))
    .annotateKey(missing("an image, such as \"ubuntu:24.04\"")),
  sshKey: Schema.optional(Schema.String.check(Schema.makeFilter(SshPublicKey.problem))),
  resources: optional(Resources, defaultResources),
  environment: optional(
    Schema.Record(Schema.String, Schema.String.check(noNul)).check(EnvironmentName)
      .annotate(like("an object, such as { EPOCHS: \"5\" }")),
    {}
  ),
  ports: optional(Ports, []),
  volumes: optional(Schema.Array(Volume).annotate(like(`an array, such as [${aVolume}]`)), []),
  command: optional(
    Schema.Array(Schema.String.check(noNul)).annotate(like("an array, such as [\"sleep\", \"5\"]")),
    []
  ),
  noSsh: optional(Schema.Boolean, false)
})

/** The rules between fields. They take any input, so that they can be looked at while a field itself is wrong. */
const between = (config: unknown) => {
  if (!Predicate.isObject(config)) return []
  const { executorId, gpu, noSsh, sshKey } = config as Partial<Record<keyof typeof Fields.Type, unknown>>
  const problems: Array<{ readonly path: ReadonlyArray<string>; readonly issue: string }> = []
  if ((executorId === undefined) === (gpu === undefined)) {
    problems.push({ path: ["executorId"], issue: "and gpu choose the machine; allowed: exactly one of the two" })
  }
  if (sshKey === undefined && noSsh !== true) {
    problems.push({ path: ["sshKey"], issue: "is missing; allowed: a public key, or noSsh: true to go without" })
  }
  return problems
}

/** The rules between the fields of a config, by themselves. */
export const RulesBetweenFields = Schema.Unknown.check(Schema.makeFilter(between))

/**
 * What the service takes. Decoding a `DeploymentConfig` with this schema fills in the defaults and refuses what the
 * service would refuse, drop or break. It is the one place where these rules stand.
 */
export const DeploymentRules = Fields.check(Schema.makeFilter(between))

/** A deployment with every default filled in. */
export type DeploymentRequest = typeof DeploymentRules.Type

/**
 * The fields whose values the service's shell line would split or act on: it joins them without quotes. They are not
 * refused, because the service may learn to quote; a deploy logs them, by name alone.
 */
export const unquotedFields = (request: DeploymentRequest): ReadonlyArray<string> => {
  const acts = (text: string) => !/^[A-Za-z0-9_./:@%+=,-]*$/.test(text)
  return [
    ...Object.entries(request.environment).filter(([, value]) => acts(value)).map(([name]) => `environment.${name}`),
    ...request.command.flatMap((word, index) => acts(word) || word === "" ? [`command[${index}]`] : [])
  ]
}
