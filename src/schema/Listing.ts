/** An item of a list that could not be understood. */
export interface InvalidItem {
  /** Its place in the list that the service sent, from 0. */
  readonly index: number
  /** Its id, where that much could be read. */
  readonly id: string | undefined
  /** What is wrong with it. */
  readonly problem: string
}

/** A list as the service sent it: one item that cannot be understood does not cost the others. */
export interface Listing<A> {
  /** What was understood, in the service's order. */
  readonly items: ReadonlyArray<A>
  /** What could not be understood; a warning is logged too. For deployments these may be running and billed. */
  readonly invalid: ReadonlyArray<InvalidItem>
  /** How many the service says there are. */
  readonly totalCount: number
}
