/**
 * The clients that people use today. They are installed for `npm run bench` alone, so the types here say what is used of
 * them.
 */
import { existsSync } from "node:fs"
import { isShort } from "./Contest.ts"

/** Whether they are installed, and take part. */
export const wanted: boolean = !isShort && existsSync(`${import.meta.dirname}/node_modules`)

const load = (name: string) => import(name)

type EventStream<A> = AsyncIterable<A> & { readonly controller: AbortController }
type Options = { readonly headers: Readonly<Record<string, string>> }

/** `openai`: a client that can be pointed at any server, and reads any stream of events as JSON. */
export const openai = async (url: string): Promise<{
  get<A>(path: string): Promise<A>
  get<A>(path: string, options: { readonly stream: true }): Promise<EventStream<A>>
}> => {
  const { OpenAI } = await load("openai")
  return new OpenAI({ baseURL: url, apiKey: "t" })
}

/** `@basilica/sdk`, which reads no log as a stream. */
export const basilica = async (url: string): Promise<{
  readonly rentals: { get<A>(id: string): Promise<A> }
  request<A>(method: string, path: string): Promise<A>
}> => {
  const { BasilicaClient } = await load("@basilica/sdk")
  return new BasilicaClient({ baseUrl: url, token: "t" })
}

/** `ky`. */
export const ky = async (): Promise<(url: string, options: Options) => { json<A>(): Promise<A> }> =>
  (await load("ky")).default

/** `axios`. */
export const axios = async (): Promise<
  { get(url: string, options: Options): Promise<{ readonly data: unknown }> }
> => (await load("axios")).default

/** `eventsource-parser`. */
export const eventsourceParser = async (): Promise<
  (handler: { onEvent(event: { readonly data: string }): void }) => { feed(text: string): void }
> => (await load("eventsource-parser")).createParser
