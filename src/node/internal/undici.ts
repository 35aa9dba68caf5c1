/**
 * The parts of undici that send requests, without the rest of it: loading its index takes longer, and gives the process
 * another dispatcher for its own `fetch`. Their places are no public interface, so package.json takes patches alone.
 */
import type * as Undici from "undici"
// @ts-expect-error undici declares the types of its index alone
import agent from "undici/lib/dispatcher/agent.js"
// @ts-expect-error undici declares the types of its index alone
import client from "undici/lib/dispatcher/client.js"
// @ts-expect-error undici declares the types of its index alone
import pool from "undici/lib/dispatcher/pool.js"

export const Agent: typeof Undici.Agent = agent
export const Client: typeof Undici.Client = client
export const Pool: typeof Undici.Pool = pool
