export { digestLogits, probabilities, toAnswer, type Answer, type LabelProbability } from "./answer.ts";
export { openPredictor, rowLength, type Predictor, type PredictorOptions, type TokenRow } from "./predictor.ts";
export {
  checkWeightsSize,
  lockstepFileSchema,
  readEncoder,
  readLockstepFile,
  readVersion,
  readVersionInfo,
  type Calibration,
  type Encoder,
  type LockstepFile,
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
export { openFeatures, type FeatureExtractor } from "./features.ts";
