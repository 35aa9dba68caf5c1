import { LocalBasilica } from "basilica-sdk/local"
import { BasilicaClient } from "basilica-sdk/promise"
import { ManagedRuntime, Redacted } from "effect"
import { assert, test } from "vitest"

test("greets, and leaves nothing behind", async () => {
  const local = ManagedRuntime.make(LocalBasilica.layer())
  const { running, token, url } = await local.runPromise(LocalBasilica)
  const basilica = new BasilicaClient({ baseUrl: url, token: Redacted.value(token) })
  try {
    const job = await basilica.deployments.scoped({ gpu: {}, image: "any", command: ["echo", "hello"], noSsh: true })
    for await (const { message } of basilica.deployments.logs(job.id, { follow: true })) {
      assert.strictEqual(message, "hello")
    }
    await basilica.close()
    assert.deepStrictEqual(await local.runPromise(running), [])
  } finally {
    await basilica.close()
    await local.dispose()
  }
})
