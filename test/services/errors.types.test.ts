import type {
  ApiError,
  ApiKeys,
  AuthenticationError,
  AuthorizationError,
  ConfigurationError,
  Conflict,
  DeploymentError,
  Deployments,
  DeployOutcomeUnknown,
  Executors,
  Health,
  InvalidResponse,
  LogGap,
  LogStream,
  NetworkError,
  NotFound,
  RateLimited,
  StopUnconfirmed,
  TimeoutError
} from "basilica-sdk"
import type { Effect, Stream } from "effect"
import { describe, expectTypeOf, it } from "vitest"

type Public = RateLimited | NetworkError | TimeoutError | InvalidResponse | ApiError
type Call = Public | AuthenticationError | AuthorizationError

/** What a member of a service may fail with. */
type ErrorOf<T> = T extends (...args: never) => infer R ? ErrorOf<R>
  : T extends Stream.Stream<unknown, infer E, never> ? E
  : T extends Effect.Effect<unknown, infer E, never> ? E
  : T extends Effect.Effect<unknown, infer E, infer _R> ? E
  : "not an effect"

describe("the errors of each operation", () => {
  it("are as narrow as the truth", () => {
    expectTypeOf<ErrorOf<Health["Service"]["check"]>>().toEqualTypeOf<Public>()
    expectTypeOf<ErrorOf<Executors["Service"]["listAvailable"]>>().toEqualTypeOf<Call | ConfigurationError>()
    expectTypeOf<ErrorOf<Executors["Service"]["get"]>>().toEqualTypeOf<Call | ConfigurationError | NotFound>()
    expectTypeOf<ErrorOf<Deployments["Service"]["deploy"]>>().toEqualTypeOf<
      Call | ConfigurationError | DeploymentError | DeployOutcomeUnknown
    >()
    expectTypeOf<ErrorOf<Deployments["Service"]["scoped"]>>().toEqualTypeOf<
      ErrorOf<Deployments["Service"]["deploy"]>
    >()
    expectTypeOf<ErrorOf<Deployments["Service"]["get"]>>().toEqualTypeOf<Call | ConfigurationError | NotFound>()
    expectTypeOf<ErrorOf<Deployments["Service"]["status"]>>().toEqualTypeOf<Call | ConfigurationError | NotFound>()
    expectTypeOf<ErrorOf<Deployments["Service"]["list"]>>().toEqualTypeOf<Call | ConfigurationError>()
    expectTypeOf<ErrorOf<Deployments["Service"]["stop"]>>().toEqualTypeOf<
      ConfigurationError | AuthenticationError | AuthorizationError | NotFound | StopUnconfirmed
    >()
    expectTypeOf<ErrorOf<Deployments["Service"]["watch"]>>().toEqualTypeOf<Call | ConfigurationError | NotFound>()
    expectTypeOf<ErrorOf<Deployments["Service"]["logs"]>>().toEqualTypeOf<
      Call | ConfigurationError | NotFound | LogGap
    >()
    expectTypeOf<ErrorOf<LogStream["Service"]["follow"]>>().toEqualTypeOf<
      Call | ConfigurationError | NotFound | LogGap
    >()
    expectTypeOf<ErrorOf<Deployments["Service"]["waitUntilRunning"]>>().toEqualTypeOf<
      Call | ConfigurationError | NotFound | DeploymentError
    >()
    expectTypeOf<ErrorOf<ApiKeys["Service"]["create"]>>().toEqualTypeOf<Call | ConfigurationError | Conflict>()
    expectTypeOf<ErrorOf<ApiKeys["Service"]["list"]>>().toEqualTypeOf<Call>()
    expectTypeOf<ErrorOf<ApiKeys["Service"]["revoke"]>>().toEqualTypeOf<Call | ConfigurationError | NotFound>()
  })
})
