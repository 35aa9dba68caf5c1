import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { ConfigurationError, type ConfigurationProblem } from "../../errors/ConfigurationError.ts"
import { Id } from "../../schema/Id.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "is missing"
    if (issue._tag === "UnexpectedKey") return "is not an option of this call; look at its spelling"
    return SchemaIssue.defaultLeafHook(issue)
  }
})

/**
 * Reads an input by its rules. All fields that are wrong are reported at once, each with its first problem; no value is
 * repeated, it may be a secret. `as`: another operation to name in the error.
 */
export const reader = <S extends Schema.ConstraintDecoder<unknown, never>>(
  operation: string,
  rules: S,
  root: string,
  betweenFields: Schema.Unknown = Schema.Unknown
): (input: unknown, as?: string) => Effect.Effect<S["Type"], ConfigurationError> => {
  const decode = Schema.decodeUnknownResult(rules, { errors: "all", onExcessProperty: "error" })
  // A struct looks at its own rules only when all its fields are right, and a person wants to know both at once.
  const decodeBetween = Schema.decodeUnknownResult(betweenFields)
  return (input, as = operation) => {
    const result = decode(input)
    if (Result.isSuccess(result)) return Effect.succeed(result.success)
    const failures = [result, decodeBetween(input)].flatMap((one) => Result.isFailure(one) ? [one.failure] : [])
    return Effect.fail(new ConfigurationError({ operation: as, problems: problems(failures, root) }))
  }
}

/** Reads an id, which becomes one segment of a URL. */
export const readId = (operation: string): (id: unknown, as?: string) => Effect.Effect<string, ConfigurationError> =>
  reader(operation, Id, "id")

/** Nobody reads more. */
const mostProblems = 100

const problems = (
  errors: ReadonlyArray<Schema.SchemaError>,
  root: string
): ReadonlyArray<ConfigurationProblem> => {
  const byField = new Map<string, string>()
  for (const { message, path } of errors.flatMap((error) => format(error.issue).issues)) {
    const field = fieldName(path ?? [], root)
    if (!byField.has(field)) byField.set(field, wording(message))
  }
  return [...byField].slice(0, mostProblems).map(([field, problem]) => ({ field, problem }))
}

/** Effect's own wording says what it expected alone. */
const wording = (message: string): string => {
  const expected = /^Expected (.*?)(?: \| undefined)?$/s.exec(message)?.[1]
  return expected === undefined ? message : `is not right; allowed: ${expected}`
}

type Path = ReadonlyArray<PropertyKey | { readonly key: PropertyKey }>

const fieldName = (path: Path, root: string): string =>
  path.reduce<string>((name, part) => {
    const key = typeof part === "object" ? part.key : part
    if (typeof key === "number" || /^\d+$/.test(String(key))) return `${name}[${String(key)}]`
    // A name that is none of ours may be a secret that stands in the wrong place.
    if (!/^[A-Za-z_$][\w$-]{0,47}$/.test(String(key))) return `${name}[...]`
    return name === "" ? String(key) : `${name}.${String(key)}`
  }, "") || root
