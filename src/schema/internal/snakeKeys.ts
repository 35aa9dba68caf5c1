import * as Schema from "effect/Schema"
import * as Str from "effect/String"

type Snake<S extends string> = S extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${Snake<Tail>}`
  : S
type Keys<Fields> = { readonly [Key in keyof Fields]: Key extends string ? Snake<Key> : never }

/** A struct whose keys are camelCase in code and snake_case on the wire. */
export const snakeKeys = <S extends Schema.Constraint & { readonly fields: Schema.Struct.Fields }>(
  struct: S
): Schema.encodeKeys<S, Keys<S["fields"]>> =>
  // The mapping is computed from the fields themselves, which is what the return type says of it.
  Schema.encodeKeys(Object.fromEntries(Object.keys(struct.fields).map((key) => [key, Str.camelToSnake(key)])) as never)(
    struct
  ) as never
