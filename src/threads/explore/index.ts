export { explore, loadAsTypeScript, requireExplored } from "./explore.ts";
export {
  program,
  programsOf,
  type Ended,
  type Operation,
  type Program,
  type ProgramSpec,
  type ThreadBody,
  type ThreadContext,
} from "./program.ts";
export type { ExploreOptions, ExploreProgress } from "./options.ts";
export {
  describeCoverage,
  formatReport,
  type Coverage,
  type ExploreReport,
  type Failure,
  type FailureKind,
  type Stage,
  type Verdict,
} from "./report.ts";
export { linearize, requireLinearizable, type SequentialModel } from "./linearize.ts";
export { access } from "../../base/index.ts";
