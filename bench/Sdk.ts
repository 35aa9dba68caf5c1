/**
 * The SDK as its users get it: the build in `dist`. This folder has a package.json of its own, for the peers, so that the
 * name of the package means nothing here.
 */
import { createRequire } from "node:module"

const { resolve } = createRequire(new URL("../package.json", import.meta.url))

/** The Effect face. */
export const effectFace = (): Promise<typeof import("../src/index.ts")> => import(resolve("basilica-sdk"))

/** The Promise face. */
export const promiseFace = (): Promise<typeof import("../src/promise.ts")> => import(resolve("basilica-sdk/promise"))

/** The local Basilica. */
export const localBasilica = (): Promise<typeof import("../src/local/index.ts")> =>
  import(resolve("basilica-sdk/local"))
