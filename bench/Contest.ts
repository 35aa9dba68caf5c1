/**
 * Contenders side by side: each does the same tasks in a process of its own, so that none leaves garbage or the habits of
 * its types to another; they take turns, so that what else the machine does meets all of them.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"

/** Whether this is the short form, which CI runs: without the peers, and with fewer rounds. */
export const isShort: boolean = process.argv.includes("--short")

// Nothing runs on when whoever started it has ended.
if (process.send !== undefined) process.once("disconnect", () => process.exit())

/** Whether this is the process of a contender, which wants nothing of a program but its contenders. */
export const isContender: boolean = process.argv[1]?.endsWith("contender.ts") === true

/** The names of a record, by their own type. */
export const keys = <K extends string>(record: Readonly<Record<K, unknown>>): Array<K> =>
  Object.keys(record) as Array<K>

/** Gets ready to use the server at this URL, and returns the work: it does a task and says what came of it. */
export type Contender = (url: string) => Promise<(task: string) => Promise<number>>

/** Contenders by name. A program exports them as `contenders`, for their processes to find. */
export type Contenders = Readonly<Record<string, Contender>>

/**
 * How long each contender took for each task, in milliseconds, round by round. In the short form it is the time of the
 * processor, which a busy machine does not stretch.
 */
export type Times = ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<number>>>

/** What the process of a contender says of a task. */
export interface Slice {
  readonly millis: number
  readonly cpuMillis: number
  readonly result: number
}

/** What to run. */
export interface Contest {
  /** The file that exports the contenders. */
  readonly program: string
  /** Those that take part. */
  readonly names: ReadonlyArray<string>
  readonly url: string
  /** The tasks, each with what has to come of it. */
  readonly tasks: ReadonlyMap<string, number>
  /** How often each contender does each task, when it has become quick. */
  readonly rounds: number
  /**
   * How often all begin again, in new processes. Default: 1. What a process compiled its code to is a matter of luck, and
   * stays as it is: for short tasks it is worth more than a tenth.
   */
  readonly heats?: number
}

/** For how long each does each task before it counts, in milliseconds: what makes code quick is how often it ran. */
const warmUp = 1000

/** Runs the contest. Fails where a contender does, or brings another result than the others. */
export const run = async ({ heats = 1, ...contest }: Contest): Promise<Times> => {
  const times = new Map<string, Map<string, Array<number>>>()
  for (let heat = 0; heat < heats; heat++) await runHeat(contest, times)
  return times
}

const runHeat = async (
  { names, program, rounds, tasks, url }: Contest,
  times: Map<string, Map<string, Array<number>>>
): Promise<void> => {
  const contenders = await Promise.all(names.map(async (name) => {
    const process = start("contender.ts", [program, name, url])
    await message(process)
    return { name, process }
  }))
  try {
    for (const task of tasks.keys()) {
      for (const { process } of contenders) {
        for (let millis = 0; millis < warmUp;) millis += (await ask<Slice>(process, task)).cpuMillis
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const [task, expected] of tasks) {
        for (const { name, process } of shuffled(contenders)) {
          const { cpuMillis, millis, result } = await ask<Slice>(process, task)
          if (result !== expected) throw new Error(`${name} brought ${result} of ${task}, not ${expected}`)
          const own = times.get(task) ?? new Map<string, Array<number>>()
          times.set(task, own.set(name, [...own.get(name) ?? [], isShort ? cpuMillis : millis]))
        }
      }
    }
  } finally {
    for (const { process } of contenders) process.kill()
  }
}

/** In any order: no one always comes after the same other, or more often than others after itself, which makes quicker. */
const shuffled = <A>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  all.map((one) => [Math.random(), one] as const).toSorted(([left], [right]) => left - right).map(([, one]) => one)

/** The median of the ratios of the rounds: how many times as long as `other` this contender took. */
export const ratio = (times: Times, task: string, name: string, other: string): number => {
  const others = times.get(task)?.get(other) ?? []
  return median((times.get(task)?.get(name) ?? []).map((time, round) => time / (others[round] ?? Number.NaN)))
}

/** The one in the middle. */
export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN

/** Starts a file of this folder as a process. */
export const start = (
  file: string,
  args: ReadonlyArray<string> = [],
  options: { readonly execArgv?: Array<string>; readonly env?: NodeJS.ProcessEnv } = {}
): ChildProcess =>
  fork(`${import.meta.dirname}/${file}`, args, { execArgv: ["--disable-warning=ExperimentalWarning"], ...options })

/** Starts the server, and says where it is. */
export const serve = async (file = "server.ts"): Promise<{ readonly url: string; readonly process: ChildProcess }> => {
  const child = start(file)
  return { url: await message<string>(child), process: child }
}

/** Starts a file of this folder as a process, and ends it when it has said what it found. */
export const outcome = async <A>(...options: Parameters<typeof start>): Promise<A> => {
  const child = start(...options)
  const found = await message<A>(child)
  child.kill()
  return found
}

/** Sends a message to a process and waits for the answer. */
export const ask = <A>(child: ChildProcess, question: unknown): Promise<A> => {
  const answer = message<A>(child)
  child.send(question as object)
  return answer
}

/** The next message of a process. Fails where it ends instead. */
export const message = async <A>(child: ChildProcess): Promise<A> => {
  const stop = new AbortController()
  const ended = once(child, "exit", { signal: stop.signal }).then(([code]): never => {
    throw new Error(`${child.spawnargs.slice(1).join(" ")} ended with ${code}`)
  })
  try {
    const [received] = await Promise.race([once(child, "message", { signal: stop.signal }), ended]) as [A]
    return received
  } finally {
    ended.catch(() => {})
    stop.abort()
  }
}
