import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ApiKeyItemWire, CreateApiKeyReply } from "../schema/wire/ApiKeys.ts"
import { HealthReply } from "../schema/wire/Health.ts"
import { RentalReply, RentalState, StartRentalRequest } from "../schema/wire/Rentals.ts"
import {
  CreateApiKeyRequest,
  ErrorEnvelope,
  ExecutorsQuery,
  ExecutorsReply,
  LogEventWire,
  LogsQuery,
  RentalsReply,
  StartRentalReply
} from "../schema/wire/Served.ts"
import { Authenticated, FrameworkRefusals, Human, Owned, RequiredScope } from "./Gates.ts"

// The refusals are written by Refusals.ts, since one status has several shapes; here they stand for the document alone.
const envelope = (status: number) => ErrorEnvelope.pipe(HttpApiSchema.status(status))
const text = (status: number) => Schema.String.pipe(HttpApiSchema.asText(), HttpApiSchema.status(status))

const health = HttpApiGroup.make("health").add(
  HttpApiEndpoint.get("check", "/health", { success: HealthReply })
    .annotate(OpenApi.Summary, "Says that the service is there; always healthy")
)

const executors = HttpApiGroup.make("executors").add(
  HttpApiEndpoint.get("list", "/executors", {
    query: ExecutorsQuery,
    success: ExecutorsReply,
    error: [text(400), envelope(500)]
  }).annotate(RequiredScope, "executors:list").annotate(OpenApi.Summary, "Lists the machines that are free")
).middleware(FrameworkRefusals).middleware(Authenticated)

const id = { rental_id: Schema.String }

const rentals = HttpApiGroup.make("rentals").add(
  HttpApiEndpoint.get("list", "/rentals", {
    query: {
      status: Schema.optionalKey(RentalState),
      gpu_type: Schema.optionalKey(Schema.String),
      min_gpu_count: Schema.optionalKey(Schema.String)
    },
    success: RentalsReply,
    error: [text(400), envelope(500), envelope(502)]
  }).annotate(RequiredScope, "rentals:list").annotate(OpenApi.Summary, "Lists the caller's own rentals"),
  HttpApiEndpoint.post("start", "/rentals", {
    payload: StartRentalRequest,
    success: StartRentalReply,
    error: [text(400), envelope(400), text(415), text(422), envelope(404), envelope(500)]
  }).annotate(RequiredScope, "rentals:create").annotate(
    OpenApi.Summary,
    "Rents a machine and starts a container; not idempotent"
  ),
  HttpApiEndpoint.get("get", "/rentals/:rental_id", {
    params: id,
    success: RentalReply,
    error: [HttpApiSchema.Empty(404), envelope(500)]
  }).annotate(RequiredScope, "rentals:view").annotate(OpenApi.Summary, "Says how a rental is").middleware(Owned),
  HttpApiEndpoint.delete("stop", "/rentals/:rental_id", {
    params: id,
    success: HttpApiSchema.NoContent,
    error: [HttpApiSchema.Empty(404), envelope(500)]
  }).annotate(RequiredScope, "rentals:stop").annotate(OpenApi.Summary, "Stops a rental, which vanishes").middleware(
    Owned
  ),
  HttpApiEndpoint.get("logs", "/rentals/:rental_id/logs", {
    params: id,
    query: LogsQuery,
    success: HttpApiSchema.StreamSse({ data: LogEventWire }),
    error: [text(400), HttpApiSchema.Empty(404), envelope(502)]
  }).annotate(RequiredScope, "rentals:logs").annotate(OpenApi.Summary, "Reads a rental's output, line by line")
    .middleware(Owned)
).middleware(FrameworkRefusals).middleware(Authenticated)

const apiKeys = HttpApiGroup.make("apiKeys").add(
  HttpApiEndpoint.post("create", "/api-keys", {
    payload: CreateApiKeyRequest,
    success: CreateApiKeyReply,
    error: [text(400), text(415), text(422), envelope(409)]
  }).annotate(RequiredScope, "keys:create").annotate(OpenApi.Summary, "Makes a key; its secret is shown this once"),
  HttpApiEndpoint.get("list", "/api-keys", { success: Schema.Array(ApiKeyItemWire) })
    .annotate(RequiredScope, "keys:list").annotate(OpenApi.Summary, "Lists the keys, newest first"),
  HttpApiEndpoint.delete("revoke", "/api-keys/:name", {
    params: { name: Schema.String },
    success: HttpApiSchema.Empty(200),
    error: [envelope(400), envelope(404)]
  }).annotate(RequiredScope, "keys:revoke").annotate(OpenApi.Summary, "Revokes a key")
).middleware(FrameworkRefusals).middleware(Human).middleware(Authenticated)

/**
 * The ten routes of the service that this SDK's design starts from, built from the wire schemas that the client reads
 * with.
 */
export class BasilicaApi extends HttpApi.make("basilica").add(health, executors, rentals, apiKeys)
  .annotate(OpenApi.Title, "Basilica")
  .annotate(OpenApi.Description, "The HTTP API of Basilica, a network that rents GPU machines (executor dialect).")
{}
