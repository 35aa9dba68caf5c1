/** Which deployments to list; without a filter, all of yours that you have not stopped. */
export interface ListFilters {
  /**
   * Those with this status alone. With `"Stopped"`, those that are stopping are left out, though their status is `Stopped`
   * too: the service filters by its own word, and theirs is `Stopping`.
   */
  readonly status?: "Pending" | "Running" | "Stopped" | "Failed" | undefined
}
