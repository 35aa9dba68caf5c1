/** Where a program of promises keeps things: files on Node, Bun and Deno, elsewhere nothing. */
export { journalFile, tokenFile } from "#files"
