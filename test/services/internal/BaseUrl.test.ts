import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as BaseUrl from "../../../src/services/internal/BaseUrl.ts"

describe("a base URL", () => {
  it.each(["localhost:8080", "localhost:8080/v1", "127.0.0.1:8080", "[::1]:8080", "api.basilica.ai"])(
    "without a scheme (%s) is refused in words that say what to put before it",
    (text) => {
      const message = Result.match(BaseUrl.parse(text), { onFailure: (error) => error.message, onSuccess: () => "" })
      assert.match(message, /baseUrl does not begin with https:\/\//)
      assert.match(message, /http:\/\/ to localhost, 127\.0\.0\.0\/8 or \[::1\] alone/)
    }
  )

  it("keeps its path, and loses its last slash and white space around it", () => {
    assert.deepStrictEqual(BaseUrl.parse(" http://localhost:8080/v1/\n"), Result.succeed("http://localhost:8080/v1"))
  })
})
