/** What passes between a generator and its worker. */
import type { PackedHandle, Profile } from "../../numeric/runtime/index.ts";
import type { VersionFiles } from "../infer/index.ts";
import type { StepOrder, StepOutcome } from "./runner.ts";

export interface GeneratorSetup {
  /** Over SharedArrayBuffers, or each worker gets a copy. */
  readonly files: VersionFiles;
  readonly executor: "native" | "portable";
  readonly intraOpThreads: number;
  /** Of the programs, increasing. */
  readonly slots: readonly number[];
  readonly prefixTokens: number;
  readonly packed: PackedHandle | undefined;
}

export type GeneratorRequest = { readonly kind: "describe" } | ({ readonly kind: "step" } & StepOrder);

export type GeneratorReply =
  | {
      readonly kind: "describe";
      readonly profile: Profile;
      readonly context: number;
      readonly vocabulary: number;
    }
  | { readonly kind: "step"; readonly outcomes: readonly StepOutcome[] };
