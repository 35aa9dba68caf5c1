import { assert, describe, it } from "@effect/vitest"
import { type ConfigurationError, type DeploymentConfig, DeploymentRules, PortMapping } from "basilica-sdk"
import { Effect, Schema } from "effect"
import { RulesBetweenFields, unquotedFields } from "../../src/schema/DeploymentRules.ts"
import { reader } from "../../src/services/Input.ts"

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample me@host"
const good: DeploymentConfig = { executorId: "2f0c6a3e", image: "nvidia/cuda:12.2.0-base-ubuntu22.04", sshKey }
const read = reader("Deployments.deploy", DeploymentRules, "config", RulesBetweenFields)

/** Each problem as `field: text`. */
const problemsOf = (config: unknown) =>
  Effect.match(read(config), {
    onFailure: (error: ConfigurationError) => error.problems.map(({ field, problem }) => `${field}: ${problem}`),
    onSuccess: () => [] as Array<string>
  })

/** A change of the good config, the field that it breaks, and a word of the message. */
const refused: ReadonlyArray<readonly [Record<string, unknown>, string, RegExp]> = [
  [{ executorId: undefined }, "executorId", /exactly one/],
  [{ gpu: { count: 1 } }, "executorId", /exactly one/],
  [{ executorId: "../api-keys" }, "executorId", /1 to 128/],
  [{ executorId: ".." }, "executorId", /1 to 128/],
  [{ executorId: undefined, gpu: { count: 0 } }, "gpu.count", /from 1/],
  [{ executorId: undefined, gpu: { type: "" } }, "gpu.type", /allowed/],
  [{ executorId: undefined, gpu: { minMemoryGb: 1.5 } }, "gpu.minMemoryGb", /whole number/],
  [{ image: "" }, "image", /empty/],
  [{ image: "Ubuntu" }, "image", /lower-case/],
  [{ image: "ubuntu:" }, "image", /not an image reference/],
  [{ image: "user:password@ghcr.io/me/app" }, "image", /not an image reference/],
  [{ image: "ubuntu@sha256:abc" }, "image", /not an image reference/],
  [{ image: `ubuntu@sha256:${"f".repeat(34)}` }, "image", /not an image reference/],
  [{ image: `ubuntu@sha256:${"f".repeat(96)}` }, "image", /not an image reference/],
  [{ image: `ubuntu@sha512:${"f".repeat(64)}` }, "image", /not an image reference/],
  [{ image: `ubuntu@invaliddigest:${"f".repeat(64)}` }, "image", /not an image reference/],
  [{ image: "ubuntu 24" }, "image", /not an image reference/],
  [{ image: "a".repeat(501) }, "image", /500 bytes/],
  [{ image: "a".repeat(256) }, "image", /255 characters/],
  [{ image: "nvcr.io/nvidia/pytorch:24.01-py3" }, "image", /docker\.io, gcr\.io, ghcr\.io/],
  [{ image: "localhost/app" }, "image", /registry/],
  [{ image: "alpine/socat:latest" }, "image", /blocks/],
  [{ sshKey: undefined }, "sshKey", /noSsh/],
  [{ sshKey: "" }, "sshKey", /empty/],
  [{ sshKey: " ssh-ed25519 AAAA" }, "sshKey", /white space/],
  [{ sshKey: "ssh-ed25519" }, "sshKey", /not a public key/],
  [{ sshKey: "ecdsa-sha2-nistp256 AAAA me@host" }, "sshKey", /ssh-keygen -t ed25519/],
  [{ sshKey: "sk-ssh-ed25519@openssh.com AAAA me@host" }, "sshKey", /security key/],
  [{ sshKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn" }, "sshKey", /private key/],
  [{ sshKey: "ssh-rsa AAAA\nssh-rsa BBBB" }, "sshKey", /one line/],
  [{ ports: [{ containerPort: 22, hostPort: 0, protocol: "tcp" }] }, "ports[0].containerPort", /silently drops/],
  [{ ports: [PortMapping.tcp(0)] }, "ports[0].containerPort", /1 to 65535/],
  [{ image: undefined }, "image", /has the type undefined; allowed: string/],
  [{ ports: 8080 }, "ports", /has the type number; allowed: an array, such as \[PortMapping\.tcp\(8080\)\]/],
  [{ ports: [8080] }, "ports[0]", /has the type number; allowed: PortMapping\.tcp\(8080\)/],
  [{ ports: ["8080:80"] }, "ports[0]", /has the type string; allowed: PortMapping\.tcp\(8080\)/],
  [{ ports: [{ containerPort: 80, hostPort: 0 }] }, "ports[0].protocol", /is missing; allowed: "tcp" or "udp"/],
  [
    { volumes: ["/a:/b"] },
    "volumes[0]",
    /has the type string; allowed: \{ hostPath: "\/data", containerPath: "\/data" \}/
  ],
  [{ command: "sleep 5" }, "command", /has the type string; allowed: an array, such as \["sleep", "5"\]/],
  [{ environment: ["A=1"] }, "environment", /has the type array; allowed: an object, such as \{ EPOCHS: "5" \}/],
  [{ env: {} }, "env", /is not an option here; look at its spelling: did you mean environment\?/],
  [{ enviroment: {} }, "enviroment", /did you mean environment\?/],
  [{ foo: 1 }, "foo", /is not an option here; look at its spelling/],
  [{ ports: [PortMapping.tcp(80, 22)] }, "ports[0].hostPort", /except 22, 111 and 2049/],
  ...[111, 2049].map((port) =>
    [{ ports: [PortMapping.tcp(80, port)] }, "ports[0].hostPort", /except 22, 111 and 2049/] as const
  ),
  ...["/root", "/home", "/var/run/docker.sock", "/proc", "/sys", "/dev"].map((hostPath) =>
    [{ volumes: [{ hostPath: `${hostPath}/x`, containerPath: "/data" }] }, "volumes[0].hostPath", /refuses/] as const
  ),
  [{ ports: [PortMapping.tcp(80, 65536)] }, "ports[0].hostPort", /65535/],
  [{ ports: [{ containerPort: 80, hostPort: 0, protocol: "TCP" }] }, "ports[0].protocol", /"tcp" or "udp"/],
  [{ ports: [PortMapping.tcp(80, 8080), PortMapping.tcp(81, 8080)] }, "ports", /twice/],
  [{ volumes: [{ hostPath: "data", containerPath: "/data" }] }, "volumes[0].hostPath", /absolute/],
  [{ volumes: [{ hostPath: "/data/../etc", containerPath: "/data" }] }, "volumes[0].hostPath", /silently drops/],
  [{ volumes: [{ hostPath: "/etc", containerPath: "/data" }] }, "volumes[0].hostPath", /refuses/],
  [{ volumes: [{ hostPath: "//root//.ssh", containerPath: "/data" }] }, "volumes[0].hostPath", /refuses/],
  [{ volumes: [{ hostPath: "/a b", containerPath: "/data" }] }, "volumes[0].hostPath", /absolute/],
  [{ volumes: [{ hostPath: "/data", containerPath: "/data:ro" }] }, "volumes[0].containerPath", /absolute/],
  [{ environment: { "A B": "1" } }, "environment", /names/],
  [{ environment: { "1A": "1" } }, "environment", /names/],
  [{ environment: { A: "a\0b" } }, "environment.A", /NUL/],
  [{ command: ["a\0b"] }, "command[0]", /NUL/],
  [{ command: "bash" }, "command", /allowed/],
  [{ executorId: undefined, gpu: { type: "" } }, "gpu.type", /is empty; allowed: a part of the GPU's name/],
  [{ resources: { cpuCores: -1 } }, "resources.cpuCores", /cores/],
  [{ resources: { cpuCores: Number.NaN } }, "resources.cpuCores", /allowed/],
  [{ resources: { memoryMb: 0.5 } }, "resources.memoryMb", /whole number/],
  [{ resources: { gpuCount: 2 ** 32 } }, "resources.gpuCount", /4294967295/],
  [{ sshkey: sshKey }, "sshkey", /spelling/],
  [{ resources: { cpus: 1 } }, "resources.cpus", /spelling/]
]

describe("DeploymentRules", () => {
  it.effect("fill in the defaults", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual({ ...(yield* read(good)) }, {
        executorId: "2f0c6a3e",
        image: "nvidia/cuda:12.2.0-base-ubuntu22.04",
        sshKey,
        resources: { cpuCores: 1, memoryMb: 1024, storageMb: 10240, gpuCount: 0, gpuTypes: [] },
        environment: {},
        ports: [],
        volumes: [],
        command: [],
        noSsh: false
      })
      const { executorId: _, ...rest } = good
      const { gpu, resources } = yield* read({ ...rest, gpu: {}, resources: { cpuCores: 4 } })
      assert.deepStrictEqual({ ...gpu }, { count: 1, minMemoryGb: 0 })
      assert.deepStrictEqual({ ...resources }, {
        cpuCores: 4,
        memoryMb: 1024,
        storageMb: 10240,
        gpuCount: 0,
        gpuTypes: []
      })
    }))

  for (const [change, field, words] of refused) {
    it.effect(`refuse ${JSON.stringify(change).slice(0, 80)} and name ${field}`, () =>
      Effect.gen(function*() {
        const problems = yield* problemsOf({ ...good, ...change })
        assert.lengthOf(problems, 1, problems.join("\n"))
        assert.isTrue(problems[0]?.startsWith(`${field}: `), problems[0])
        assert.match(problems[0] ?? "", words)
      }))
  }

  it.effect("take what the service takes", () =>
    Effect.gen(function*() {
      const digest = `sha256:${"a".repeat(64)}`
      const images = [
        "ubuntu",
        "ubuntu:24.04",
        `ubuntu@${digest}`,
        `ubuntu@sha384:${"0aF".repeat(32)}`,
        `ubuntu@sha512:${"f".repeat(128)}`,
        `ghcr.io/me/app_1/x-y:v1.2@${digest}`,
        "docker.io/library/python:3.12-slim",
        "gcr.io/project/image",
        "me/app__x"
      ]
      for (const image of images) assert.deepStrictEqual(yield* problemsOf({ ...good, image }), [], image)
      for (const key of ["ssh-rsa AAAA", `${sshKey}\n`, `${sshKey}\r\n`, "ssh-dss AAAA comment with words"]) {
        assert.deepStrictEqual(yield* problemsOf({ ...good, sshKey: key }), [])
      }
      const { sshKey: _, ...rest } = good
      assert.deepStrictEqual(yield* problemsOf({ ...rest, noSsh: true }), [])
      const volumes = [{ hostPath: "/homework/data", containerPath: "/data", readOnly: true }]
      const ports = [PortMapping.tcp(80, 8080), PortMapping.udp(80, 8080), PortMapping.tcp(81), PortMapping.tcp(82)]
      assert.deepStrictEqual(yield* problemsOf({ ...good, volumes, ports }), [])
    }))

  it.effect("report every problem at once and repeat no value", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf({
        executorId: "canary/1",
        image: "canary:canary@canary",
        sshKey: "canary",
        environment: { SECRET: "canary\0" },
        command: [{ canary: "canary" }],
        ports: "canary"
      })
      assert.lengthOf(problems, 6)
      assert.notInclude(problems.join(), "canary")
    }))

  it.effect("report what is wrong between fields beside what is wrong in them", () =>
    Effect.gen(function*() {
      const problems = yield* problemsOf({ image: "quay.io/a/b" })
      assert.deepStrictEqual(problems.map((problem) => problem.split(":")[0]), ["image", "executorId", "sshKey"])
    }))

  it("name the fields that the service's shell would break", () => {
    const request = Schema.decodeSync(DeploymentRules)({
      ...good,
      environment: { PLAIN: "a/b:1.0", SPLIT: "a b", ACTS: "$(reboot)" },
      command: ["bash", "-c", "a; b", ""]
    })
    assert.deepStrictEqual(unquotedFields(request), [
      "environment.SPLIT",
      "environment.ACTS",
      "command[2]",
      "command[3]"
    ])
  })
})
