export { cutRows, joinRows, type JoinedRows } from "./joined.ts";
export { openPredictor, rowLength, type Predictor, type PredictorOptions, type TokenRow } from "./predictor.ts";
export {
  checkWeightsSize,
  readEncoder,
  readLockstepFile,
  readVersion,
  readVersionInfo,
  type Encoder,
  type Version,
  type VersionFiles,
  type VersionInfo,
} from "./version.ts";
export {
  BATCH_SIZES,
  compareBatches,
  firstOf,
  mixedBatches,
  rowAt,
  runAlone,
  shuffled,
  slidingBatches,
  type ComparedRuns,
  type Difference,
  type RowRef,
  type RowSet,
  type RunRows,
} from "./invariance.ts";
export { invarianceRows } from "./invariance-rows.ts";
export { openInvariancePool } from "./invariance-pool.ts";
export { openFeatures, sequenceHead, type FeatureExtractor } from "./features.ts";
export {
  type Activation,
  type Calibration,
  type LockstepFile,
  type LockstepFileOf,
  type VersionTask,
} from "./lockstep-file.ts";
