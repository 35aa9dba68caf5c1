/**
 * What is known of the work behind a failed call.
 *
 * - `"none"`: nothing was done: the request was refused, or never left this machine.
 * - `"unknown"`: the request may have been carried out.
 * - `"done"`: it was carried out, and what failed came after.
 */
export type Outcome = "none" | "unknown" | "done"

/**
 * The part of a call in which it failed.
 *
 * - `"connect"`: before a connection stood; nothing of the request was written.
 * - `"headers"`: the request was on its way, no reply yet. Where the runtime's `fetch` cannot tell, this includes
 *   connecting.
 * - `"body"`: while the reply was read.
 * - `"backoff"`: while waiting between two attempts.
 * - `"polling"`: while asking again and again for something that had not happened yet.
 */
export type Phase = "connect" | "headers" | "body" | "backoff" | "polling"
