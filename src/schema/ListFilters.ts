/** Which deployments to list; without a filter, all of yours that you have not stopped. */
export interface ListFilters {
  readonly status?: "Pending" | "Running" | "Stopped" | "Failed" | undefined
}
