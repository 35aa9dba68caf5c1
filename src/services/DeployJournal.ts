/**
 * What was begun and is not finished, kept outside of the program, so that the next start can clean up after a crash.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import type { DeployIntent as Intent } from "../schema/DeployIntent.ts"

/** A deploy that was begun. Holds no secret: neither environment nor key. */
export type DeployIntent = Intent

/** The schema of {@link DeployIntent}, for journals that keep them as text. */
export const DeployIntent: Schema.Codec<DeployIntent> = Schema.Struct({
  key: Schema.String,
  executorId: Schema.String,
  image: Schema.String,
  before: Schema.Array(Schema.String),
  sentAt: Schema.String,
  service: Schema.optionalKey(Schema.String),
  account: Schema.optionalKey(Schema.String),
  held: Schema.optionalKey(Schema.Boolean),
  id: Schema.optionalKey(Schema.String)
})

/**
 * Keeps intents. An optional service: with one in the context, `Deployments` writes down what it begins, and
 * `Deployments.reconcile` finishes what a crash left. One journal belongs to one program at a time.
 */
export class DeployJournal extends Context.Service<DeployJournal, {
  /** Keeps an intent, in place of one with the same key. It must be safe from a crash when this succeeds. */
  put(intent: DeployIntent): Effect.Effect<void, ConfigurationError>
  /** Drops an intent. */
  remove(key: string): Effect.Effect<void, ConfigurationError>
  /** All that are kept. */
  readonly open: Effect.Effect<ReadonlyArray<DeployIntent>, ConfigurationError>
}>()("basilica-sdk/services/DeployJournal") {}
