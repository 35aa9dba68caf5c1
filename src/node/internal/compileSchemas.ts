import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { ApiKeyItemRead } from "../../schema/wire/ApiKeys.ts"
import { AvailableExecutorRead } from "../../schema/wire/Executors.ts"
import { RentalItemRead, RentalReplyRead } from "../../schema/wire/Rentals.ts"

/**
 * Lets the schemas of replies be compiled when they are first used, which makes a long list a quarter cheaper. For Node,
 * where code may be made of text: browsers and Workers may forbid it.
 */
export const compileSchemas = (): void => {
  for (const { ast } of [AvailableExecutorRead, RentalItemRead, RentalReplyRead, ApiKeyItemRead]) {
    SchemaJITCompiler.enable(ast)
  }
}
