import { existsSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"

/** Your public SSH key, of a type that the service takes, or nothing where there is none. */
export const sshKey = (): string | undefined =>
  ["id_ed25519.pub", "id_rsa.pub"]
    .map((name) => join(homedir(), ".ssh", name))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, "utf8").trim())[0]
