import * as Data from "effect/Data"
import { NodeInspectSymbol } from "effect/Inspectable"

/** Every error of this package has it, with its name: it holds between copies. */
export const brand = "~basilica-sdk/error"

/**
 * The base of every error of this package: Effect's own tagged error, declared without an Effect type, so that a Promise
 * user's editor shows nothing but `Error` and the fields.
 *
 * `instanceof` goes by the name of the error, so that it holds between copies of this package: on Node the Promise face
 * has one of its own.
 */
export const TaggedError: <Tag extends string>(tag: Tag) => new<A extends Record<string, unknown>>(
  fields: A
) => Error & { readonly _tag: Tag } & Readonly<A> = ((tag: string) => {
  class Base extends Data.TaggedError(tag) {
    static override [Symbol.hasInstance](error: unknown): boolean {
      return (Object.getPrototypeOf(this) === Base && Object(error)[brand] === tag) ||
        Function.prototype[Symbol.hasInstance].call(this, error)
    }

    override toJSON(): object {
      return { ...this, message: this.message }
    }
  }
  // Effect's errors are printed as their fields alone: without this, `console.error(error)` would not show the message.
  Object.defineProperty(Base.prototype, NodeInspectSymbol, { value: undefined })
  Object.defineProperty(Base.prototype, brand, { value: tag })
  return Base
}) as never
