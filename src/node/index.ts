export * as FileJournal from "./FileJournal.ts"
export * as NodeHttpClient from "./NodeHttpClient.ts"
export * as TokenFile from "./TokenFile.ts"
