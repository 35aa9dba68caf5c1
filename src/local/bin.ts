#!/usr/bin/env node
/**
 * `basilica-local`. Its platform package is an optional peer of this one, so it may be missing: that is said in words. So is
 * a Node that is older than that package supports.
 */
import process from "node:process"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `basilica-local needs Node 22.19 or newer, as @effect/platform-node does. This is ${process.versions.node}: it may ` +
      "work, and nobody has tried all of it."
  )
}

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
