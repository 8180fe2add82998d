/** What passes between `explore` and its controller. */
import type { EncodedError } from "../../base/index.ts";
import type { CompleteOptions, ExploreProgress } from "./options.ts";
import type { ExploreReport } from "./report.ts";

export interface ControllerSetup {
  readonly url: string;
  readonly program: string;
  readonly options: CompleteOptions;
  readonly watch: Watch;
}

/** Shared with the caller's thread. */
export type Watch = Int32Array<SharedArrayBuffer>;
/**
 * Words of it: whether to stop after the schedule that is running; what the controller is within; how often it came
 * into any.
 */
export const WATCH = { STOP: 0, PHASE: 1, BEGAN: 2 } as const;
export const WATCH_WORDS = 3;
/** What the controller may be within that is not the explorer's own. */
export const PHASES = ["", "the module", "setup", "check"] as const;

export type FromController =
  | { readonly kind: "progress"; readonly progress: ExploreProgress }
  | { readonly kind: "report"; readonly report: ExploreReport }
  | { readonly kind: "failed"; readonly error: EncodedError };
