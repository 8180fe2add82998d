/** What crosses between isolate.ts and its worker, probe-worker.ts. */
import type { EncodedError } from "../../base/index.ts";
import type { EncodeOptions, Encoded, SpecialIds, TokenizerSource } from "./types.ts";

export interface WorkerStart {
  readonly source: TokenizerSource;
  readonly maxLength: number;
}

export type ToWorker =
  | { readonly kind: "probe"; readonly id: number }
  | { readonly kind: "encode"; readonly id: number; readonly text: string; readonly options: EncodeOptions };

export type FromWorker =
  | { readonly kind: "ready"; readonly vocabSize: number; readonly special: SpecialIds }
  | { readonly kind: "probed"; readonly id: number }
  | { readonly kind: "encoded"; readonly id: number; readonly encoded: Encoded }
  /** `id` is -1 when the tokenizer could not be built. */
  | { readonly kind: "failed"; readonly id: number; readonly error: EncodedError };
