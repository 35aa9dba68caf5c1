import { ApiKeys, type Basilica, type DeploymentConfig, Deployments, Executors, Health } from "basilica-sdk"
import { defaultExecutors } from "basilica-sdk/testing"
import { type Effect, Stream } from "effect"

/** What of a call may reach no error and no log. */
export const canary = "canary-environment-value"

/** What is deployed, on a machine whose replies are short. */
export const config: DeploymentConfig = {
  executorId: defaultExecutors.at(-1)?.id ?? "",
  image: "acme/train:1",
  noSsh: true,
  environment: { SECRET: canary }
}

/** A call of the matrix. */
export interface Operation {
  /** Which of its requests the faults meet, those of the rest pass. */
  readonly on: (id: string) => string
  /** What is there before. With `"a sign-in"` the access token has expired, and there is a refresh token. */
  readonly needs: "nothing" | "a deployment" | "a key" | "a sign-in"
  /** What was deployed ends by itself. */
  readonly ends?: true
  /** How many times the time of others it is given. */
  readonly patience?: number
  /** How long it may go on once nobody waits for it, in milliseconds: what it begins must come to its end. */
  readonly goesOnFor?: number
  readonly run: (id: string) => Effect.Effect<unknown, { readonly _tag: string }, Basilica.Services>
}

/** Each name is a column of `matrix.md`. */
export const operations: Record<string, Operation> = {
  health: { on: () => "GET /health", needs: "nothing", run: () => Health.use((health) => health.check) },
  listExecutors: {
    on: () => "GET /executors",
    needs: "nothing",
    run: () => Executors.use((executors) => executors.listAvailable())
  },
  listRentals: { on: () => "GET /rentals", needs: "a deployment", run: () => Deployments.use((all) => all.list()) },
  getRental: { on: () => "GET /rentals/", needs: "a deployment", run: (id) => Deployments.use((all) => all.get(id)) },
  deploy: { on: () => "POST /rentals", needs: "nothing", run: () => Deployments.use((all) => all.deploy(config)) },
  stop: { on: () => "DELETE /rentals/", needs: "a deployment", run: (id) => Deployments.use((all) => all.stop(id)) },
  logs: {
    on: (id) => `GET /rentals/${id}/logs`,
    needs: "a deployment",
    run: (id) => Deployments.use((all) => Stream.runCollect(all.logs(id)))
  },
  "logs (follow)": {
    on: (id) => `GET /rentals/${id}/logs`,
    needs: "a deployment",
    ends: true,
    run: (id) => Deployments.use((all) => Stream.runCollect(all.logs(id, { follow: true, maxReconnects: 2 })))
  },
  createKey: { on: () => "POST /api-keys", needs: "nothing", run: () => ApiKeys.use((keys) => keys.create("made")) },
  listKeys: { on: () => "GET /api-keys", needs: "a key", run: () => ApiKeys.use((keys) => keys.list) },
  revokeKey: { on: () => "DELETE /api-keys/", needs: "a key", run: () => ApiKeys.use((keys) => keys.revoke("kept")) },
  refresh: {
    on: () => "POST /oauth/token",
    needs: "a sign-in",
    run: () => Executors.use((executors) => executors.listAvailable()),
    // After a lost reply it waits for two seconds.
    patience: 4,
    // The sign-in service has 15 seconds to answer: twice after a lost reply, three times where there is no connection.
    goesOnFor: 45_000
  }
}
