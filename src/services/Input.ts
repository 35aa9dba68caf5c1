import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { ConfigurationError, type ConfigurationProblem } from "../errors/ConfigurationError.ts"
import { Id } from "../schema/Id.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "UnexpectedKey") return `${unexpected}${namesOf(issue.ast).join(" ")}`
    const message = SchemaIssue.defaultLeafHook(issue)
    return message === "Missing key" ? "is missing" : message
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
    return Effect.fail(new ConfigurationError({ operation: as, problems: problems(failures, root, input) }))
  }
}

/** Refuses one field of an input. */
export const invalid = (operation: string, field: string, problem: string): Effect.Effect<never, ConfigurationError> =>
  Effect.fail(new ConfigurationError({ operation, problems: [{ field, problem }] }))

/** Reads an id, which becomes one segment of a URL. */
export const readId = (operation: string, id: unknown): Effect.Effect<string, ConfigurationError> =>
  decodeId(id, operation)

const decodeId = reader("", Id, "id")

/** Nobody reads more. */
const mostProblems = 100

const problems = (
  errors: ReadonlyArray<Schema.SchemaError>,
  root: string,
  input: unknown
): ReadonlyArray<ConfigurationProblem> => {
  const byField = new Map<string, string>()
  for (const { message, path = [] } of errors.flatMap((error) => format(error.issue).issues)) {
    const keys = path.map((part) => typeof part === "object" ? part.key : part)
    const field = fieldName(keys, root)
    if (!byField.has(field)) byField.set(field, wording(message, keys, input))
  }
  return [...byField].slice(0, mostProblems).map(([field, problem]) => ({ field, problem }))
}

const unexpected = "Unexpected "

/** Effect's own wording says what it expected alone. */
const wording = (message: string, path: ReadonlyArray<PropertyKey>, input: unknown): string => {
  if (message.startsWith(unexpected)) {
    const alike = nearest(String(path.at(-1)), message.slice(unexpected.length).split(" "))
    return `is not an option here; look at its spelling${alike === undefined ? "" : `: did you mean ${alike}?`}`
  }
  const expected = /^Expected (.*?)(?: \| undefined)?$/s.exec(message)?.[1]
  if (expected === undefined) return message
  const value = path.reduce<unknown>((part, key) => Object(part)[key], input)
  const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value
  return `${expected.startsWith("\"") ? "is not right" : `has the type ${type}`}; allowed: ${expected}`
}

const namesOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []

/** The name that begins with the same letters, three at least: most mistakes are in the case, or at the end. */
const nearest = (given: string, names: ReadonlyArray<string>): string | undefined => {
  const inCommon = (name: string): number => {
    let length = 0
    while (length < name.length && name[length]?.toLowerCase() === given[length]?.toLowerCase()) length++
    return length
  }
  const best = names.reduce((best, name) => inCommon(name) > inCommon(best) ? name : best, "")
  return inCommon(best) > 2 ? best : undefined
}

const fieldName = (path: ReadonlyArray<PropertyKey>, root: string): string =>
  path.map(String).reduce((name, key) => {
    if (/^\d+$/.test(key)) return `${name}[${key}]`
    // A name that is none of ours may be a secret that stands in the wrong place.
    if (!/^[A-Za-z_$][\w$-]{0,47}$/.test(key)) return `${name || root}[...]`
    return name === "" ? key : `${name}.${key}`
  }, "") || root
