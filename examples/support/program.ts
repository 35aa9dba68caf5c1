import { readFileSync } from "node:fs"

/**
 * The command that runs a script of `programs/` in any image that has Node.
 *
 * The machine has no copy of this repository, so the script travels inside the command, as a `data:` URL. It is
 * percent-encoded because the service joins the words of a command with spaces and without quotes: a space or a quote
 * in one of them would not arrive. A real job is better off in an image of its own.
 */
export const nodeProgram = (name: string): ReadonlyArray<string> => {
  const source = readFileSync(new URL(`../programs/${name}`, import.meta.url), "utf8")
  const encoded = encodeURIComponent(source).replace(
    /[!'()*~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return ["node", `--import=data:text/javascript,${encoded}`, "/dev/null"]
}
