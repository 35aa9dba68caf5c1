/**
 * The SDK as its users get it: the build in `dist`. This folder has a package.json of its own, for the peers, so that the
 * name of the package means nothing here.
 */
import { createRequire } from "node:module"
import type * as EffectFace from "../src/index.ts"
import type * as Local from "../src/local/index.ts"
import type * as PromiseFace from "../src/promise.ts"

const { resolve } = createRequire(new URL("../package.json", import.meta.url))

/** The Effect face. */
export const effectFace = (): Promise<typeof EffectFace> => import(resolve("basilica-sdk"))

/** The Promise face. */
export const promiseFace = (): Promise<typeof PromiseFace> => import(resolve("basilica-sdk/promise"))

/** The local Basilica. */
export const localBasilica = (): Promise<typeof Local> => import(resolve("basilica-sdk/local"))
