import type * as Duration from "effect/Duration"

/**
 * What a container of `MemoryBasilica` does, told in advance. All of it happens on the `Clock`, which is virtual in a
 * test. Default: it runs at once, prints nothing, and runs until it is stopped.
 *
 * @example
 * ```ts
 * import type { Program } from "basilica-sdk/testing"
 *
 * const training: Program = {
 *   startsAfter: "10 minutes",
 *   lines: [
 *     { message: "epoch 1" },
 *     { after: "1 minute", message: "epoch 2" },
 *     { message: "loss is NaN", stream: "stderr" }
 *   ],
 *   exits: "failed"
 * }
 * ```
 */
export interface Program {
  /**
   * How long the service takes to start it, and then to answer the deploy: minutes, as the real one does. After 15 of them,
   * its `requestTimeout`, it answers 408 and goes on. Default: 0.
   */
  readonly answersAfter?: Duration.Input | undefined
  /**
   * How long it then is `Pending` before it runs, for those who ask how it is; the answer to the deploy has no word for it, and
   * says `Running`. The real one runs by then. Default: 0.
   */
  readonly startsAfter?: Duration.Input | undefined
  /** What it prints, in order. Default: nothing. */
  readonly lines?: ReadonlyArray<ProgramLine> | undefined
  /** Whether it ends after its last line: as `Stopped`, or as `Failed`. Default: `false`, it runs on. */
  readonly exits?: boolean | "failed" | undefined
  /** How long it then still runs, where it ends. Default: 0. */
  readonly exitsAfter?: Duration.Input | undefined
}

/** A line that a program prints. */
export interface ProgramLine {
  /** Without its line end. The log has it trimmed at the left, and cut after 4,096 bytes, as the real one. */
  readonly message: string
  /** How long after the line before it, or after the start. Default: 0. */
  readonly after?: Duration.Input | undefined
  /** Default: `"stdout"`. */
  readonly stream?: "stdout" | "stderr" | undefined
}
