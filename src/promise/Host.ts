/** What the runtime gives a program of promises: files, and word that the process is to end. */
export { beforeProcessEnds, journalFile, tokenFile } from "#host"
