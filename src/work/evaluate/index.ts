/** How good a model is, how far its probabilities can be believed, and what a simple one would have done. */
export {
  accuracy,
  classScores,
  confusionPairs,
  macroF1,
  shareOf,
  shareOfCount,
  wilsonInterval,
  type Accuracy,
  type ClassScores,
  type Confusion,
  type Share,
} from "./metrics.ts";
export {
  confidences,
  expectedCalibrationError,
  negativeLogLikelihood,
  predictedClasses,
  probabilitiesOf,
  type Confidence,
  type Scores,
} from "./probabilities.ts";
export { chooseThreshold, fitTemperature, TEMPERATURE_RANGE, type Threshold } from "./calibrate.ts";
export { runLinearBaseline, trainLinearBaseline, type BaselineTask, type LinearBaseline } from "./baseline.ts";
export { estimates, mean, quantile, ratio, resamplesFor, type Estimate, type Statistic } from "./bootstrap.ts";
export { determination, meanAbsoluteError, pearson, rootMeanSquaredError, spearman } from "./correlation.ts";
export { foundOfClasses, Found, macroF1Of, microF1, microPrecision, microRecall, scoresByKind } from "./f1.ts";
export { bestThreshold, type Decision } from "./label-threshold.ts";
export { discountedGain, firstIsRelevant, reciprocalRank } from "./ranking.ts";
export {
  CALIBRATION_LEAST,
  calibrationFrom,
  figuresOf,
  keptOf,
  measuredBy,
  MEASURED_TASKS,
  readMeasured,
  rolesOf,
  rowsOn,
  type FiguresOf,
  type MeasuredTask,
  type MeasureRun,
  type RowOf,
} from "./measures.ts";
export type { Kept, MeasureOptions, Outcome, TableColumns } from "./measure.ts";
