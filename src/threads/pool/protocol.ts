/**
 * What passes between a pool and its workers. Plain data; errors are encoded, since structured clone drops their class
 * and code.
 */
import type { EncodedError } from "../../base/index.ts";
import type { AbortHandle } from "../sync/index.ts";
import type { BusyHandle } from "./busy.ts";

/** Requests and replies are discriminated unions by `kind`; the reply to a request has the request's kind. */
export interface Message {
  readonly kind: string;
}
export type OfKind<Union extends Message, Kind extends Union["kind"]> = Extract<Union, { readonly kind: Kind }>;

export type ToWorker =
  /** `abort`: aborted before the worker's native run is interrupted for the request's sake. */
  | { readonly kind: "request"; readonly id: number; readonly body: Message; readonly abort?: AbortHandle }
  | { readonly kind: "cancel"; readonly id: number }
  /** Finish what was asked before this, then end by yourself. */
  | { readonly kind: "exit" };

export type FromWorker =
  | { readonly kind: "ready" }
  /** The worker could not be set up, or not be taken down; it ends after this. */
  | { readonly kind: "failed"; readonly error: EncodedError }
  | { readonly kind: "reply"; readonly id: number; readonly body: Message }
  | { readonly kind: "failure"; readonly id: number; readonly error: EncodedError }
  | { readonly kind: "event"; readonly body: unknown };

/** What a pool puts into `workerData`, under one key so that it is not mistaken for a user's. */
export interface PoolWorkerData {
  readonly lockstepPool: {
    readonly name: string;
    readonly index: number;
    readonly size: number;
    readonly busy: BusyHandle;
    readonly data: unknown;
    /** See PoolOptions.scope. */
    readonly scope: unknown;
  };
}

export function isPoolWorkerData(value: unknown): value is PoolWorkerData {
  return typeof value === "object" && value !== null && "lockstepPool" in value;
}
