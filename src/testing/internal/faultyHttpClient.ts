import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { bytesOf, type Fault } from "../../faults/Fault.ts"
import type { FaultScript } from "../../faults/FaultScript.ts"
import { CallProgress } from "../../services/CallProgress.ts"

/** A client between which and the service things go wrong as a script says. Time is the `Clock`, chance is `Random`. */
export const faultyHttpClient = (client: HttpClient.HttpClient, script: FaultScript): HttpClient.HttpClient =>
  HttpClient.make(Effect.fnUntraced(function*(request, url) {
    const progress = (yield* CallProgress) ?? { phase: "connect" }
    progress.phase = "connect"
    const unreachable = script.onConnection()
    if (unreachable !== undefined) return yield* broken(script, unreachable, request, "ECONNREFUSED")
    progress.phase = "headers"
    const fault = script.onRequest(request.method, url.pathname)
    if (fault === undefined) return yield* client.execute(request)
    const own = fault.after === "work" ? yield* client.execute(request) : undefined
    if ((own === undefined && fault.reply === undefined) || isHeadCut(fault)) {
      return yield* broken(script, fault, request)
    }
    script.happened(fault)
    if (fault.pace !== undefined && fault.pace.from !== "body") yield* pause(fault.pace)
    const reply = fault.reply === undefined && own !== undefined ? yield* ownReply(own) : madeUp(fault)
    const stream = yield* Stream.toReadableStreamEffect(travel(fault, request, reply.bytes))
    const { headers, status } = reply
    return HttpClientResponse.fromWeb(request, new Response(reply.isEmpty ? null : stream, { status, headers }))
  }))

/** The service's own reply. Unless it is a log, it is read whole first: one without a body is whole with its head. */
const ownReply = Effect.fnUntraced(function*({ headers, status, stream }: HttpClientResponse.HttpClientResponse) {
  const bytes = Stream.catchIf(stream, (error) => error.reason._tag === "EmptyBodyError", () => Stream.empty)
  if (headers["content-type"]?.startsWith("text/event-stream") === true) {
    return { status, headers, bytes, isEmpty: false }
  }
  const chunks = yield* Stream.runCollect(bytes)
  return { status, headers, bytes: Stream.fromIterable(chunks), isEmpty: chunks.every(({ length }) => length === 0) }
})

const madeUp = (fault: Fault) => {
  const { body = "", headers = {}, status = 200 } = fault.reply ?? {}
  return { status, headers, bytes: Stream.fromIterable(bytesOf(body)), isEmpty: body === "" }
}

const isHeadCut = ({ cut, end }: Fault): boolean => cut === undefined ? end !== undefined : "head" in cut

/** No reply: an error as a broken connection gives, or silence. */
const broken = (
  script: FaultScript,
  fault: Fault,
  request: HttpClientRequest.HttpClientRequest,
  code = fault.end === "reset" ? "ECONNRESET" : "UND_ERR_SOCKET"
) =>
  Effect.suspend(() => {
    script.happened(fault)
    return fault.end === "stall" ? Effect.never : Effect.fail(lost(request, code))
  })

const lost = (request: HttpClientRequest.HttpClientRequest, code: string) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({
      request,
      cause: Object.assign(new Error("A fault of the test"), { code })
    })
  })

const pause = ({ every, jitter = false }: NonNullable<Fault["pace"]>): Effect.Effect<void> =>
  jitter
    ? Effect.flatMap(Random.next, (part) => Effect.sleep(Duration.times(Duration.fromInputUnsafe(every), part)))
    : Effect.sleep(every)

/** The bytes of a reply as they come through. */
const travel = (
  fault: Fault,
  request: HttpClientRequest.HttpClientRequest,
  bytes: Stream.Stream<Uint8Array, HttpClientError.HttpClientError>
): Stream.Stream<Uint8Array, HttpClientError.HttpClientError> => {
  const { cut, end, pace } = fault
  const limit = cut !== undefined && "body" in cut ? cut.body : Number.POSITIVE_INFINITY
  let left = limit
  const through = bytes.pipe(
    Stream.map((chunk) => {
      const part = chunk.subarray(0, Math.min(chunk.length, left))
      left -= part.length
      return part
    }),
    Stream.takeUntil(() => left <= 0),
    Stream.filter((chunk) => chunk.length > 0)
  )
  const cutOff = limit === 0 ? Stream.empty : through
  const slices = pace === undefined ? cutOff : cutOff.pipe(
    Stream.flatMap((chunk) =>
      Stream.fromIterable(
        Array.from(
          { length: Math.ceil(chunk.length / pace.bytes) },
          (_, index) => chunk.subarray(index * pace.bytes, (index + 1) * pace.bytes)
        )
      )
    ),
    Stream.tap(() => pause(pace))
  )
  if (end === undefined) return slices
  return Stream.concat(slices, end === "stall" ? Stream.never : Stream.fail(lost(request, "ECONNRESET")))
}
