import * as Data from "effect/Data"

/**
 * The base of every error of this package: Effect's own tagged error, declared without an Effect type, so that both
 * faces share one class for each error and a Promise user's editor shows nothing but `Error` and the fields.
 */
export const TaggedError: <Tag extends string>(tag: Tag) => new<A extends Record<string, unknown>>(
  fields: A
) => Error & { readonly _tag: Tag } & Readonly<A> = Data.TaggedError as never
