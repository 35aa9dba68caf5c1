import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import manifest from "./package.json" with { type: "json" }

const conditions = ["basilica-sdk-source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // It ends what hangs, and says nothing of how fast a machine has to be.
    testTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/packaging/**"]
        }
      },
      {
        extends: true,
        test: { name: "e2e", include: ["test/e2e/**/*.test.ts"] }
      },
      {
        extends: true,
        test: {
          name: "packaging",
          include: ["test/packaging/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000
        }
      },
      {
        // The Promise face as Node loads it from the package.
        extends: true,
        resolve: {
          alias: {
            "basilica-sdk/promise": fileURLToPath(new URL(manifest.exports["./promise"].node, import.meta.url))
          }
        },
        test: {
          name: "bundle",
          include: ["test/promise/{BasilicaClient,signIn}.test.ts", "test/hostile/secrets.test.ts"]
        }
      }
    ]
  }
})
