export { type CatalogExecutor, defaultExecutors } from "../server/ExecutorCatalog.ts"
export { type LocalSignIn, type SignInTokens } from "../server/IdentityProvider.ts"
export { type Tenant } from "../server/Tenants.ts"
export { LocalBasilica, type LocalBasilicaOptions, type RunningRental } from "./LocalBasilica.ts"
