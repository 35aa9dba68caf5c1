import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

/** What is to be run. Ports and volumes that the service drops are gone by now, and what it refuses was refused. */
export interface ContainerSpec {
  readonly rentalId: string
  readonly image: string
  /** Empty for the image's own command. */
  readonly command: ReadonlyArray<string>
  readonly environment: { readonly [name: string]: string }
  /** The mapping of port 22 is among them unless SSH is not wanted. A host port of 0 asks for any free one. */
  readonly ports: ReadonlyArray<ContainerPort>
  readonly volumes: ReadonlyArray<
    { readonly hostPath: string; readonly containerPath: string; readonly readOnly: boolean }
  >
  readonly resources: { readonly cpuCores: number; readonly memoryMb: number }
}

/** A port of the container and the port of the machine that leads to it. */
export interface ContainerPort {
  readonly containerPort: number
  readonly hostPort: number
  readonly protocol: "tcp" | "udp"
}

/** How a container is. */
export type ContainerState = "Provisioning" | "Active" | "Stopped" | "Failed"

/** What went wrong in the runtime; it reaches the user as a part of an error's message. */
export class ContainerFailure extends Data.TaggedError("ContainerFailure")<{ readonly message: string }> {}

/** A container that was started. */
export interface Container {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** Each port that was asked for, with the host port that it got. */
  readonly ports: ReadonlyArray<ContainerPort>
  /** How it is now. A failure says that the container is gone. */
  readonly state: Effect.Effect<ContainerState, ContainerFailure>
  /** Ends it and frees what it holds. Succeeds only when nothing of it runs any more; may be called again. */
  readonly stop: Effect.Effect<void, ContainerFailure>
  /** Throws away what is left of a container that was stopped, its log included. */
  readonly remove: Effect.Effect<void>
  /**
   * Its output so far and, with `follow`, to its end, as the bytes of whole log events (see `LogFormat`). `tail` begins
   * with the last lines alone. The effect fails where the log cannot be opened, the stream where reading breaks off.
   */
  logs(options: { readonly follow: boolean; readonly tail: number | undefined }): Effect.Effect<
    Stream.Stream<Uint8Array, ContainerFailure>,
    ContainerFailure
  >
}

/** What containers run on: processes of this machine, a container engine, or nothing but memory. */
export class ContainerRuntime extends Context.Service<ContainerRuntime, {
  /** The host that leads to the ports of a container. */
  readonly host: string
  /** Starts a container; it runs when this succeeds, and nothing is left of it when this fails. */
  start(spec: ContainerSpec): Effect.Effect<Container, ContainerFailure>
}>()("basilica-sdk/server/ContainerRuntime") {}
