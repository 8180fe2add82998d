/** What passes between `explore` and its controller. */
import type { EncodedError } from "../../base/index.ts";
import type { CompleteOptions, ExploreProgress } from "./options.ts";
import type { ExploreReport } from "./report.ts";

export interface ControllerSetup {
  readonly url: string;
  readonly program: string;
  readonly options: CompleteOptions;
  /** Not 0: stop after the schedule that is running. */
  readonly stop: Int32Array<SharedArrayBuffer>;
}

export type FromController =
  | { readonly kind: "progress"; readonly progress: ExploreProgress }
  | { readonly kind: "report"; readonly report: ExploreReport }
  | { readonly kind: "failed"; readonly error: EncodedError };
