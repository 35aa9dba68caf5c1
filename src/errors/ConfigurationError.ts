import { TaggedError } from "./internal/TaggedError.ts"

/** One thing that is wrong with an input. */
export interface ConfigurationProblem {
  /** Where it is, as one would write it in code: `ports[0].containerPort`. */
  readonly field: string
  /** What is wrong with it and what is allowed. Never holds the value itself. */
  readonly problem: string
}

/** An input is wrong. Found before anything was sent; every problem is listed. */
export class ConfigurationError extends TaggedError("ConfigurationError")<{
  /** What the input was for, such as `Deployments.deploy`. */
  readonly operation: string
  readonly problems: ReadonlyArray<ConfigurationProblem>
}> {
  /** Nothing was done. */
  readonly outcome = "none"
  readonly retryable = false

  override get message(): string {
    const problems = this.problems.map(({ field, problem }) => `${field} ${problem}`)
    return `${this.operation}: ${problems.join(". ")}. Nothing was sent.`
  }
}
