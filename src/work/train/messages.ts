/** What passes between the trainer and its workers. Plain data; buffers are shared, never copied. */
import type { Context } from "./program.ts";
import type { Segment } from "./layout.ts";
import type { Exchange } from "./exchange.ts";
import type { MemoryHandle } from "./memory.ts";
import type { TouchedRowsHandle } from "./touched-rows.ts";
import type { ThreadCollectiveHandle } from "../../threads/collective/index.ts";

/** All that a worker needs for one phase; the same for every worker but for its number. */
export interface PhaseSetup extends Context {
  readonly executor: "native" | "portable";
  readonly segments: readonly Segment[];
  readonly memory: MemoryHandle;
  readonly rows: TouchedRowsHandle;
  readonly exchange: Exchange;
  readonly collective: ThreadCollectiveHandle;
  readonly workers: number;
  /** The first slot of each worker among all gradient slots. */
  readonly slotBase: readonly number[];
}

export type TrainRequest =
  /** Trains steps from..to-1; every worker gets the same one. */
  | { readonly kind: "steps"; readonly from: number; readonly to: number }
  /** What the objective's figure needs of examples under the present weights; between steps only. */
  | { readonly kind: "validate"; readonly examples: Int32Array };

export type TrainReply =
  | { readonly kind: "steps" }
  /** [examples, width] */
  | { readonly kind: "validate"; readonly numbers: Float64Array };

/** Sent by worker 0 after each step. */
export interface StepReport {
  readonly kind: "step";
  readonly step: number;
  readonly epoch: number;
  /** Mean over what the step's losses were summed over. */
  readonly loss: number;
  readonly learningRate: number;
  /** Of the gradient, before clipping. */
  readonly gradientNorm: number;
  readonly tokens: number;
  readonly paddedTokens: number;
}
