/** How good a model is, how far its probabilities can be believed, and what a simple one would have done. */
export {
  accuracy,
  classScores,
  confusionPairs,
  macroF1,
  shareOf,
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
export { scoresOf } from "./measure-classes.ts";
export { isMeasured, measureOn, type FiguresOf, type MeasuredTask } from "./measures.ts";
export type { MeasureOptions, TableColumns } from "./measure.ts";
