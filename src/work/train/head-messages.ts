/** What passes between a head learner and its worker thread. */
import type { VersionFiles } from "../infer/index.ts";
import type { HeadRates } from "./head.ts";
import type { NamedFiles } from "../store/index.ts";
import type { LabelledText, Lineage } from "./head-update.ts";

export interface LearnRequest {
  readonly kind: "learn";
  /** Over SharedArrayBuffers, or they are copied. */
  readonly parent: NamedFiles;
  readonly executor: "native" | "portable";
  readonly examples: readonly LabelledText[];
  readonly rates: HeadRates;
}

export interface LearnReply {
  readonly kind: "learn";
  readonly name: string;
  /** The files that are not the parent's. */
  readonly changed: VersionFiles;
  readonly lineage: Lineage;
  readonly lossBefore: number;
  readonly lossAfter: number;
}
