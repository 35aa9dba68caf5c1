/**
 * The token file of the official command line, shared with it and with other programs: `basilica/auth.json` under
 * `$XDG_DATA_HOME` or `~/.local/share`, on Windows under `%APPDATA%`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"
import process from "node:process"
import type { ConfigurationError } from "../errors/ConfigurationError.ts"
import { invalid } from "../services/Input.ts"
import { TokenStore, type TokenStoreLayer } from "../services/TokenStore.ts"
import { makeTokenFile } from "./internal/TokenFileStore.ts"

/** Options of {@link layer}. */
export interface TokenFileOptions {
  /** Where the file is. Default: where the official command line has it. */
  readonly path?: string | undefined
}

/**
 * Keeps the sign-in in the token file. It is written with mode 0600, whole or not at all, and under a lock, so that of all
 * programs that share it one renews the sign-in. A file that others can read is closed to them, with a warning; a symbolic
 * link, a file of another user, and whatever is no file are refused.
 *
 * Where the file cannot be written, the program works on with a warning. In the Promise face it is the option `tokenFile`.
 *
 * @example
 * ```ts
 * import { Basilica } from "basilica-sdk"
 * import { TokenFile } from "basilica-sdk/node"
 * import * as Layer from "effect/Layer"
 *
 * // BASILICA_API_TOKEN, or else the sign-in of the official command line.
 * const layer = Layer.provide(Basilica.layerConfigOrFile, TokenFile.layer())
 * ```
 */
export const layer = (options: TokenFileOptions = {}): TokenStoreLayer =>
  Layer.effect(
    TokenStore,
    options.path === undefined
      ? Effect.map(defaultPath, (path) => makeTokenFile(path, { ownsDirectory: true }))
      : Effect.succeed(makeTokenFile(resolve(options.path), { ownsDirectory: false }))
  )

/** Where the official command line has the file. */
const defaultPath: Effect.Effect<string, ConfigurationError> = Effect.gen(function*() {
  const directory = Option.filter(
    yield* Config.option(Config.String(process.platform === "win32" ? "APPDATA" : "XDG_DATA_HOME")),
    isAbsolute
  )
  const fallback = process.platform === "win32" ? ["AppData", "Roaming"] : [".local", "share"]
  return join(Option.getOrElse(directory, () => join(homedir(), ...fallback)), "basilica", "auth.json")
}).pipe(
  Effect.catch(({ message }) => invalid("TokenFile", "environment", `cannot be read: ${message}`))
)
