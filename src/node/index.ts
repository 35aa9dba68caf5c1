export * as NodeHttpClient from "./NodeHttpClient.ts"
