import { assert, it } from "@effect/vitest"
import { Basilica, Health } from "basilica-sdk"
import { Effect } from "effect"
import { Socket } from "node:net"
import type { Agent } from "undici"
import { vi } from "vitest"
import type * as Undici from "../../src/node/internal/undici.ts"
import { bare, scriptedServer } from "../support/ScriptedServer.ts"

const seen = vi.hoisted((): {
  agents: Array<Agent.Options | undefined>
  clients: Array<Agent.Options | undefined>
} => ({
  agents: [],
  clients: []
}))

vi.mock("../../src/node/internal/undici.ts", async (original) => {
  const real = await original<typeof Undici>()
  return {
    ...real,
    Agent: class extends real.Agent {
      constructor(options?: Agent.Options) {
        super(options)
        seen.agents.push(options)
      }
    },
    Client: class extends real.Client {
      constructor(url: string | URL, options?: object) {
        super(url, options)
        seen.clients.push(options)
      }
    }
  }
})

// Undici's own limits are five minutes of silence and ten seconds of connecting, for which no test waits.
it.live("undici has no limit of time left, and keeps its connections alive", () =>
  Effect.gen(function*() {
    const keptAlive = vi.spyOn(Socket.prototype, "setKeepAlive")
    const server = yield* scriptedServer((response) => bare(response, 500))
    yield* Effect.flip(Health.use((health) => health.check)).pipe(
      Effect.provide(Basilica.layer({ baseUrl: server.url, token: "t" }))
    )
    assert.lengthOf(seen.agents, 1)
    assert.isAtLeast(seen.clients.length, 1)
    for (const client of seen.clients) assert.deepInclude(client, { headersTimeout: 0, bodyTimeout: 0 })
    assert.deepInclude(seen.agents[0], { connect: { timeout: 0 } })
    assert.isTrue(keptAlive.mock.calls.some(([enable]) => enable === true))
  }))
