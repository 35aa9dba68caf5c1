#!/usr/bin/env node
/**
 * `basilica-local`. Its platform package is an optional peer of this one, so it may be missing: that is said in words.
 */
import process from "node:process"

try {
  await import("./main.ts")
} catch (error) {
  const missing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND"
  if (!missing || !error.message.includes("@effect/platform-node")) throw error
  console.error(
    "basilica-local needs @effect/platform-node, which is not installed: npm install @effect/platform-node@4.1"
  )
  process.exitCode = 1
}
