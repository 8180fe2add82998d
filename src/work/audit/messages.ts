/** What passes between an AuditLog and its writer's thread. */
import type { EncodedError } from "../../base/index.ts";
import type { PreparedReceipt, Receipt } from "./receipt.ts";

/** Where the log ended when something was last confirmed from it. */
export interface Known {
  readonly count: number;
  readonly head: string;
}

export interface WriterOptions {
  readonly path: string;
  readonly keyPath: string | undefined;
  readonly signEvery: number;
  readonly keptHeads: string | undefined;
  /** What the log must have, beside what it proves by itself. @default nothing */
  readonly known?: Known | undefined;
}

/** `count`: receipts in the log; `head`: hash of the last one. */
export interface LogStatus extends Known {
  /** SPKI, DER, base64; undefined for an unsigned log. */
  readonly publicKey: string | undefined;
  /** What whoever runs it should be told, such as that another log lay here before. */
  readonly notices: readonly string[];
}

export interface ErasureResult {
  /** Hashes of the receipts that lost their text. */
  readonly erased: readonly string[];
  /** Hash of the receipt that says so; null when there was nothing to erase. */
  readonly receipt: string | null;
}

export interface ListQuery {
  /** How many to pass over. */
  readonly from: number;
  readonly limit: number;
  readonly newestFirst: boolean;
}

export type WriterCall =
  | { readonly kind: "append"; readonly inputs: readonly PreparedReceipt[] }
  | { readonly kind: "get"; readonly receipt: string }
  | { readonly kind: "list"; readonly query: ListQuery }
  | { readonly kind: "refersTo"; readonly version: string }
  | { readonly kind: "erase"; readonly receipt: string; readonly at: string }
  | { readonly kind: "status" }
  | { readonly kind: "check" }
  | { readonly kind: "close" };

export interface WriterResults {
  readonly append: readonly Receipt[];
  readonly get: Receipt | undefined;
  readonly list: readonly Receipt[];
  readonly refersTo: boolean;
  readonly erase: ErasureResult;
  readonly status: LogStatus;
  readonly check: undefined;
  readonly close: undefined;
}

export type WriterRequest = WriterCall & { readonly id: number };

export type WriterReply =
  | { readonly id: number; readonly ok: true; readonly value: WriterResults[WriterCall["kind"]] }
  | { readonly id: number; readonly ok: false; readonly error: EncodedError };
