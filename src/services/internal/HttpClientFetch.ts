import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Layer from "effect/Layer"

/**
 * The transport where there is no better one: the runtime's own `fetch`. `Transport` refuses redirects for it and sets
 * the time limits.
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = FetchHttpClient.layer
