/** Which deployments to list; without a filter, all of yours that you have not stopped. */
export interface ListFilters {
  /** Those with this status alone. */
  readonly status?: "Pending" | "Running" | "Stopped" | "Failed" | undefined
}
