import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as FileSystem from "node:fs/promises"
import * as Net from "node:net"
import * as OperatingSystem from "node:os"
import * as Path from "node:path"
import { events, gone, isAlive, local, request } from "./Harness.ts"

const sh = (script: string) => ["sh", "-c", script]

const temporary = Effect.acquireRelease(
  Effect.promise(() => FileSystem.mkdtemp(Path.join(OperatingSystem.tmpdir(), "local-test-"))),
  (path) => Effect.promise(() => FileSystem.rm(path, { recursive: true, force: true }))
)

/** A TCP port that nobody uses. */
const freePort = Effect.callback<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as Net.AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Keeps what is logged. */
const keeping = (lines: Array<string>) =>
  Logger.layer([Logger.make(({ message }) => {
    lines.push(String(message))
  })])

describe("a command", () => {
  it.live("runs with its own environment and directory, and nothing of the server's but the path", () =>
    Effect.gen(function*() {
      process.env["BASILICA_API_TOKEN"] = "canary"
      const { messages, run } = yield* local()
      const { json } = yield* run(sh("env; pwd; ls -A | wc -l"), { environment: { GREETING: "b  'c'; $d" } })
      const lines = yield* messages(json.rental_id)
      const names = lines.filter((line) => line.includes("=")).map((line) => line.split("=")[0])
      assert.includeMembers(names, ["GREETING", "HOME", "PATH"])
      assert.deepStrictEqual(
        names.filter((name) => !["GREETING", "HOME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"].includes(name ?? "")),
        []
      )
      assert.include(lines, "GREETING=b  'c'; $d")
      assert.match(lines.at(-2) ?? "", new RegExp(`/${json.rental_id}/work$`))
      assert.strictEqual(lines.at(-1), "0")
    }))

  it.live("has a log that ends with it, also where a process that left its group holds the output open", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const { json } = yield* run(sh("echo hi; setsid sleep 4 & sleep 0.3"))
      assert.deepStrictEqual(yield* messages(json.rental_id), ["hi"])
      assert.deepStrictEqual(yield* messages(json.rental_id), ["hi"])
    }))

  it.live("gets its words as they are", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const { json } = yield* run(["printf", "%s\\n", "a b", "$HOME", "'; rm -rf /", "", "ü"])
      assert.deepStrictEqual(yield* messages(json.rental_id), ["a b", "$HOME", "'; rm -rf /", "", "ü"])
    }))

  it.live("is heard to its last word however fast it ends", () =>
    Effect.gen(function*() {
      const { call, messages, run } = yield* local()
      const once = Effect.gen(function*() {
        const { json } = yield* run(["printf", "a\\nb"])
        assert.deepStrictEqual(yield* messages(json.rental_id), ["a", "b"])
        yield* call("DELETE", `/rentals/${json.rental_id}`)
      })
      yield* Effect.all(Array.from({ length: 30 }, () => once), { concurrency: 6 })
    }))

  for (const code of [0, 1, 137]) {
    it.live(`that ends with ${code} leaves a rental that is stopped, and its log`, () =>
      Effect.gen(function*() {
        const { call, messages, run, running } = yield* local()
        const { json } = yield* run(sh(`echo out; exit ${code}`))
        assert.deepStrictEqual(yield* messages(json.rental_id), ["out"])
        assert.strictEqual((yield* call("GET", `/rentals/${json.rental_id}`)).json.status, "terminated")
        assert.strictEqual((yield* call("GET", "/rentals")).json.rentals[0].state, "Stopped")
        assert.deepStrictEqual(yield* running, [])
        assert.deepStrictEqual(yield* messages(json.rental_id, ""), ["out"])
      }))
  }

  it.live("that is killed says nothing that it did not say itself", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const { json } = yield* run(sh("echo out; kill -KILL $$"))
      assert.deepStrictEqual(yield* messages(json.rental_id), ["out"])
    }))

  it.live("that ends takes with it what it has left behind", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const { json } = yield* run(sh("sleep 300 & echo $!"))
      const [pid = ""] = yield* messages(json.rental_id)
      yield* gone(pid)
    }))

  it.live("that has killed its watcher leaves nothing behind either", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const killOthers = "kill -KILL $(ps -A -o pid=,pgid= | awk -v group=$$ '$2 == group && $1 != group { print $1 }')"
      const { json } = yield* run(sh(`exec 2>/dev/null; ${killOthers}; sleep 305 & echo $!`))
      const [pid = ""] = yield* messages(json.rental_id)
      assert.isFalse(yield* isAlive(pid))
    }))

  it.live("that leaves its group and holds its output open does not hold up the end", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const leave =
        "require('node:child_process').spawn('sleep',['300'],{detached:true,stdio:'inherit'}).on('spawn',function(){console.log(this.pid);process.exit()})"
      const { json } = yield* run(["node", "-e", leave])
      const [pid = ""] = yield* messages(json.rental_id)
      process.kill(Number(pid), "SIGKILL")
      yield* gone(pid)
    }))

  it.live("that is not there is answered with 500, and its machine is free", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const logged: Array<string> = []
      const { call, run } = yield* Effect.provide(local({ directory }), keeping(logged))
      for (const command of [["no-such-program"], ["./none"], ["/etc/passwd"], ["/tmp"]]) {
        const { json, status } = yield* run(command)
        assert.strictEqual(status, 500)
        assert.strictEqual(json.error.message, "Failed to start rental: 500 Internal Server Error - ")
      }
      assert.strictEqual((yield* run(["echo", "canary\0"])).status, 500)
      assert.strictEqual((yield* run(["echo", "x".repeat(1_500_000)])).status, 500)
      assert.strictEqual((yield* run(["echo"], { environment: { A: "canary\0" } })).status, 500)
      assert.lengthOf(logged.filter((line) => line.startsWith("A deployment was not started: the command cannot")), 7)
      assert.notInclude(logged.join("\n"), "canary")
      assert.deepStrictEqual(yield* Effect.promise(() => FileSystem.readdir(directory)), [])
      assert.strictEqual((yield* call("GET", "/executors")).json.total_count, 6)
    }))

  it.live("that is not given idles until it is stopped", () =>
    Effect.gen(function*() {
      const { call, run, running } = yield* local()
      const { json } = yield* run([])
      assert.deepStrictEqual((yield* running).map(({ id, image, tenant }) => [id, image, tenant]), [
        [json.rental_id, "ubuntu:24.04", "tenant-1"]
      ])
      assert.strictEqual((yield* call("DELETE", `/rentals/${json.rental_id}`)).status, 204)
      assert.deepStrictEqual(yield* running, [])
    }))
})

describe("a log", () => {
  it.live("has both streams, each line with a time to the nanosecond that grows", () =>
    Effect.gen(function*() {
      const { call, messages, run } = yield* local()
      const { json } = yield* run(sh("for i in 1 2 3; do echo out $i; echo err $i >&2; done"))
      yield* messages(json.rental_id)
      const reply = yield* call("GET", `/rentals/${json.rental_id}/logs`)
      assert.strictEqual(reply.headers["content-type"], "text/event-stream")
      assert.strictEqual(reply.headers["transfer-encoding"], "chunked")
      for (const stream of ["stdout", "stderr"]) {
        const lines = events(reply.text).filter((event) => event.stream === stream)
        assert.deepStrictEqual(lines.map(({ message }) => message), [1, 2, 3].map((i) => `${stream.slice(3)} ${i}`))
        const times = lines.map(({ timestamp }) => timestamp)
        for (const time of times) assert.match(time, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
        assert.deepStrictEqual([...new Set(times)].toSorted(), times)
      }
    }))

  it.live("brings a line to those who follow while the command goes on, and ends with it", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const { call, messages, run, until } = yield* local()
      const { json } = yield* run(sh("echo one; while [ ! -e \"$GO\" ]; do sleep 0.01; done; echo two"), {
        environment: { GO: `${directory}/go` }
      })
      const follower = yield* Effect.forkChild(messages(json.rental_id))
      yield* until(json.rental_id, /^one$/)
      assert.deepStrictEqual(yield* messages(json.rental_id, ""), ["one"])
      assert.strictEqual((yield* call("GET", `/rentals/${json.rental_id}`)).json.status, "active")
      yield* Effect.promise(() => FileSystem.writeFile(`${directory}/go`, ""))
      assert.deepStrictEqual(yield* Fiber.join(follower), ["one", "two"])
    }))

  it.live("is answered at once, before the command has written anything", () =>
    Effect.gen(function*() {
      const { run, token, url } = yield* local()
      const { json } = yield* run(["sleep", "300"])
      const signal = AbortSignal.timeout(5000)
      const reply = yield* Effect.promise(() =>
        fetch(`${url}/rentals/${json.rental_id}/logs?follow=true`, {
          headers: { authorization: `Bearer ${token}` },
          signal
        })
      )
      assert.strictEqual(reply.headers.get("content-type"), "text/event-stream")
      yield* Effect.promise(() => reply.body?.cancel() ?? Promise.resolve())
    }), 10_000)

  it.live("begins with the last lines that are asked for", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const { json } = yield* run(sh("seq 1 1000"))
      assert.strictEqual((yield* messages(json.rental_id)).length, 1000)
      assert.deepStrictEqual(yield* messages(json.rental_id, "?tail=2"), ["999", "1000"])
      assert.deepStrictEqual(yield* messages(json.rental_id, "?tail=0"), [])
      assert.deepStrictEqual(yield* messages(json.rental_id, "?tail=1&follow=true"), ["1000"])
      assert.strictEqual((yield* messages(json.rental_id, "?tail=5000")).length, 1000)
    }))

  it.live("cuts what is too long, between characters, and goes on", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const write = "process.stdout.write('  '+'€'.repeat(2_000_000)+'\\n  next\\nopen')"
      const { json } = yield* run(["node", "-e", write])
      assert.deepStrictEqual(yield* messages(json.rental_id), [`${"€".repeat(1365)}... (truncated)`, "next", "open"])
    }))

  it.live("loses nothing of much output, for one who follows from the start", () =>
    Effect.gen(function*() {
      const { messages, run } = yield* local()
      const { json } = yield* run(sh("seq 1 200000"))
      const lines = yield* messages(json.rental_id)
      assert.strictEqual(lines.length, 200_000)
      assert.isTrue(lines.every((line, index) => line === String(index + 1)))
    }))

  it.live("is cut in time, with an event that says so", () =>
    Effect.gen(function*() {
      const { call, run } = yield* local({ requestTimeout: "1 second" })
      const { json } = yield* run(sh("echo one; sleep 300"))
      const { text } = yield* call("GET", `/rentals/${json.rental_id}/logs?follow=true`)
      const last = events(text).at(-1)
      assert.strictEqual(last?.stream, "error")
      assert.match(last?.message ?? "", /^Stream error: /)
    }))
})

describe("stopping", () => {
  it.live("lets a command end by itself, and followers see its last words", () =>
    Effect.gen(function*() {
      const { call, messages, run, until } = yield* local()
      const { json } = yield* run(
        sh("exec 2>/dev/null; trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
      )
      const follower = yield* Effect.forkChild(messages(json.rental_id))
      yield* until(json.rental_id, /^ready$/)
      assert.strictEqual((yield* call("DELETE", `/rentals/${json.rental_id}`)).status, 204)
      assert.deepStrictEqual(yield* Fiber.join(follower), ["ready", "bye"])
      assert.strictEqual((yield* call("GET", `/rentals/${json.rental_id}`)).status, 404)
    }))

  it.live("ends a whole group that does not want to, before it answers", () =>
    Effect.gen(function*() {
      const { call, run, until } = yield* local({ stopGrace: "100 millis" })
      const script = "trap '' TERM; sh -c 'sleep 301 & echo grandchild $!; wait' & echo child $!; echo leader $$; wait"
      const { json } = yield* run(sh(script))
      const pids = yield* Effect.forEach(
        ["grandchild", "child", "leader"],
        (name) => until(json.rental_id, new RegExp(`^${name} (\\d+)$`))
      )
      for (const [, pid = ""] of pids) assert.isTrue(yield* isAlive(pid))
      assert.strictEqual((yield* call("DELETE", `/rentals/${json.rental_id}`)).status, 204)
      for (const [, pid = ""] of pids) assert.isFalse(yield* isAlive(pid))
    }))

  it.live("twice at once is answered well both times", () =>
    Effect.gen(function*() {
      const { call, run, until } = yield* local({ stopGrace: "100 millis" })
      const { json } = yield* run(sh("trap '' TERM; echo ready; while :; do sleep 0.01; done"))
      yield* until(json.rental_id, /^ready$/)
      const stop = call("DELETE", `/rentals/${json.rental_id}`)
      const replies = yield* Effect.all([stop, stop], { concurrency: 2 })
      for (const { status } of replies) assert.include([204, 404], status)
      assert.strictEqual((yield* call("GET", "/rentals")).json.total_count, 0)
    }))

  it.live("removes what the rental has on disk", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const { call, run } = yield* local({ directory })
      const { json } = yield* run(sh("touch file; sleep 300"))
      assert.deepStrictEqual(yield* Effect.promise(() => FileSystem.readdir(directory)), [json.rental_id])
      yield* call("DELETE", `/rentals/${json.rental_id}`)
      assert.deepStrictEqual(yield* Effect.promise(() => FileSystem.readdir(directory)), [])
    }))

  it.live("is what happens to every rental when the server ends, and its followers see the end", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const scope = yield* Scope.make()
      const { messages, run, until } = yield* Scope.provide(
        local({ directory: `${directory}/new`, stopGrace: "100 millis" }),
        scope
      )
      const rentals = yield* Effect.forEach(
        ["", "trap '' TERM;"],
        (trap) => run(sh(`exec 2>/dev/null; ${trap} echo pid $$; while :; do sleep 0.01; done`))
      )
      const pids = yield* Effect.forEach(rentals, ({ json }) => until(json.rental_id, /^pid (\d+)$/))
      const follower = yield* Effect.forkChild(messages(rentals[0]?.json.rental_id))
      yield* until(rentals[0]?.json.rental_id, /^pid/)
      yield* Scope.close(scope, Exit.void)
      for (const [, pid = ""] of pids) assert.isFalse(yield* isAlive(pid))
      const kept = yield* Effect.promise(() => FileSystem.readdir(`${directory}/new`))
      assert.sameMembers(kept, rentals.map((reply) => reply.json.rental_id))
      assert.strictEqual((yield* Fiber.join(follower)).length, 1)
    }))
})

describe("ports", () => {
  const serve = (port: number) => [
    "node",
    "-e",
    `require('node:http').createServer((q,r)=>{let n=0;q.on('data',d=>n+=d.length).on('end',()=>r.end('got '+n))}).listen(${port},'127.0.0.1',()=>console.log('ready'))`
  ]

  it.live("lead from the host port to the process, both ways", () =>
    Effect.gen(function*() {
      const { run, until } = yield* local()
      const port = yield* freePort
      const { json } = yield* run(serve(port), { ports: [{ container_port: port, host_port: 0 }] })
      const [mapped] = json.container_info.mapped_ports
      assert.notStrictEqual(mapped.host_port, port)
      yield* until(json.rental_id, /^ready$/)
      const url = `http://127.0.0.1:${mapped.host_port}/`
      const reply = yield* request(url, { method: "POST", body: "x".repeat(1_000_000) })
      assert.strictEqual(reply.text, "got 1000002")
    }))

  it.live("that are equal need nothing, and close when the rental is stopped", () =>
    Effect.gen(function*() {
      const { call, run, until } = yield* local()
      const port = yield* freePort
      const { json } = yield* run(serve(port), { ports: [{ container_port: port, host_port: port }] })
      yield* until(json.rental_id, /^ready$/)
      assert.strictEqual((yield* request(`http://127.0.0.1:${port}/`)).text, "got 0")
      yield* call("DELETE", `/rentals/${json.rental_id}`)
      const again = yield* run(serve(port), { ports: [{ container_port: port, host_port: port }] })
      assert.strictEqual(again.status, 200)
    }))

  it.live("that are taken are answered with 500, and nothing stays open", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const { run, url } = yield* Effect.provide(local(), keeping(logged))
      const taken = Number(new URL(url).port)
      const free = yield* freePort
      for (const container_port of [taken, 80]) {
        const ports = [{ container_port: 81, host_port: free }, { container_port, host_port: taken }]
        assert.strictEqual((yield* run(sh("sleep 300"), { ports })).status, 500)
        assert.include(logged.pop(), `port ${taken} cannot be allocated`)
      }
      assert.strictEqual(
        (yield* run(sh("sleep 300"), { ports: [{ container_port: 81, host_port: free }] })).status,
        200
      )
    }))

  it.live("of SSH are named, and lead to nobody, not even to this machine's own server", () =>
    Effect.gen(function*() {
      const own = Net.createServer((socket) => socket.end("SSH-2.0-own")).on("error", () => undefined).listen(
        22,
        "127.0.0.1"
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => own.close()))
      const { run } = yield* local()
      const { json } = yield* run(sh("sleep 300"), { no_ssh: false })
      const [, port = ""] = /^root@127\.0\.0\.1:(\d+)$/.exec(json.ssh_credentials) ?? []
      const received = yield* Effect.callback<string>((resume) => {
        let text = ""
        Net.connect(Number(port), "127.0.0.1").on("data", (data) => text += data).on("close", () =>
          resume(Effect.succeed(text)))
      })
      assert.strictEqual(received, "")
    }))

  it.live("of UDP are the process's own, and another host port is refused", () =>
    Effect.gen(function*() {
      const { run } = yield* local()
      const udp = (host_port: number) => ({ ports: [{ container_port: 5353, host_port, protocol: "udp" }] })
      const { json } = yield* run(sh("sleep 300"), udp(0))
      assert.deepStrictEqual(json.container_info.mapped_ports, [{
        container_port: 5353,
        host_port: 5353,
        protocol: "udp"
      }])
      assert.strictEqual((yield* run(sh("sleep 300"), udp(5354))).status, 500)
    }))
})

describe("the server", () => {
  it.live("has a new token for each tenant at each start, and nobody sees the other's rentals", () =>
    Effect.gen(function*() {
      const first = yield* local({ tenants: 3 })
      const second = yield* local()
      assert.strictEqual(Redacted.value(first.tenants[0]?.token ?? Redacted.make("")), first.token)
      const tokens = [...first.tenants, ...second.tenants].map(({ token }) => Redacted.value(token))
      assert.strictEqual(new Set(tokens).size, 5)
      for (const token of tokens) assert.match(token, /^ey[A-Za-z0-9_-]+\.ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{342}$/)
      const { json } = yield* first.run(sh("sleep 300"))
      for (const other of first.others) {
        assert.strictEqual((yield* other.call("GET", `/rentals/${json.rental_id}`)).status, 404)
        assert.strictEqual((yield* other.call("GET", "/rentals")).json.total_count, 0)
      }
      assert.strictEqual(
        (yield* request(`${second.url}/rentals`, { headers: { authorization: first.token } })).status,
        401
      )
    }))

  it.live("listens on the loopback alone", () =>
    Effect.gen(function*() {
      const { url } = yield* local()
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
      const other = Object.values(OperatingSystem.networkInterfaces()).flat().find((one) =>
        one?.family === "IPv4" && !one.internal
      )
      if (other === undefined) return
      const outcome = yield* Effect.callback<string>((resume) => {
        Net.connect(Number(new URL(url).port), other.address)
          .on("connect", () => resume(Effect.succeed("connected")))
          .on("error", ({ message }) => resume(Effect.succeed(message)))
      })
      assert.include(outcome, "ECONNREFUSED")
    }))

  it.live("says which option is wrong", () =>
    Effect.gen(function*() {
      const { url } = yield* local()
      const taken = yield* Effect.flip(local({ port: Number(new URL(url).port) }))
      assert.strictEqual(taken._tag, "ConfigurationError")
      assert.match(taken.message, /^LocalBasilica\.layer: port cannot be listened on \(.*EADDRINUSE.*\); allowed: /)
      assert.match((yield* Effect.flip(local({ directory: "/dev/null/x" }))).message, /directory cannot be made/)
      assert.match((yield* Effect.flip(local({ tenants: 0 }))).message, /tenants is 0; allowed: 1 or more/)
      for (const origin of ["foo", "*", "null", "http://localhost:5173/", "http://LOCALHOST", "localhost:5173", ""]) {
        const { message } = yield* Effect.flip(local({ cors: ["https://a.test", origin] }))
        assert.match(message, /cors\[1\] is no origin; allowed: /, origin)
      }
      yield* local({ cors: ["http://localhost:5173", "chrome-extension://abc"] })
    }))

  it.live("shows a page that loads nothing from elsewhere, without a token", () =>
    Effect.gen(function*() {
      const { url } = yield* local()
      const { headers, status, text } = yield* request(`${url}/docs`)
      assert.strictEqual(status, 200)
      assert.match(headers["content-type"] ?? "", /^text\/html/)
      assert.match(String(headers["content-security-policy"]), /^default-src 'none'; /)
      assert.notMatch(text, /<(?:script|link|img)[^>]+(?:src|href)=/)
    }))

  it.live("answers a body of more than 2 MiB in the same words on each route, however it is sent", () =>
    Effect.gen(function*() {
      const { token, url } = yield* local({ deviceSignIn: true })
      const bodies = [["/rentals", "application/json"], ["/api-keys", "application/json"]].concat(
        ["/oauth/token", "/oauth/device/code", "/oauth/revoke", "/activate"].map((path) => [
          path,
          "application/x-www-form-urlencoded"
        ])
      )
      for (const [path = "", type = ""] of bodies) {
        for (const length of [{ "content-length": String(3 * 1024 * 1024) }, { "transfer-encoding": "chunked" }]) {
          const headers = { authorization: `Bearer ${token}`, "content-type": type, ...length }
          const { status, text } = yield* request(url + path, {
            method: "POST",
            headers,
            body: "a".repeat(3 * 1024 * 1024 - 2)
          })
          assert.deepStrictEqual(
            [status, text],
            [413, "Failed to buffer the request body: length limit exceeded"],
            `${path} ${Object.keys(length).join()}`
          )
        }
      }
    }))

  it.live("ends in spite of a client that does not finish its request", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { url } = yield* Scope.provide(local(), scope)
      const socket = Net.connect(Number(new URL(url).port), "127.0.0.1")
      const closed = new Promise((resolve) => socket.on("error", () => undefined).on("close", resolve))
      yield* Effect.promise(() =>
        new Promise<void>((resolve) => socket.write("GET /health HTTP/1.1\r\n", () => resolve()))
      )
      yield* Scope.close(scope, Exit.void)
      yield* Effect.promise(() => closed)
    }))

  it.live("leaves no temporary directory", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { messages, run } = yield* Scope.provide(local(), scope)
      const { json } = yield* run(["pwd"])
      const [directory = ""] = yield* messages(json.rental_id)
      yield* Scope.close(scope, Exit.void)
      const root = Path.resolve(directory, "../..")
      assert.isTrue(yield* Effect.promise(() => FileSystem.access(root).then(() => false, () => true)))
    }))
})
