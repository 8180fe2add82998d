export {
  architectureOf,
  batchInputs,
  buildModel,
  classifierName,
  FAMILY_NAMES,
  familyPooling,
  familyTextLayout,
  featureGraph,
  flatInputs,
  headKindOf,
  hiddenStates,
  modelGraph,
  modelParameters,
  newModelConfig,
  parameterNames,
  tokenizerClass,
  withDropout,
  type FamilyName,
  type ModelConfig,
  type ModelGraphOptions,
} from "./families.ts";
export {
  cacheShapeOf,
  decodeGraph,
  DecodeInputs,
  type DecodeInputsOptions,
  type DecodeRows,
  type StepInputs,
} from "./decode.ts";
export type { DropoutRates, NewModel, TextLayout } from "./family.ts";
export type { Head, HeadKind, Pooling } from "./head.ts";
export {
  classifierLabels,
  formatModelConfig,
  parseModelConfig,
  requireSingleLabel,
  type ParsedConfig,
} from "./config.ts";
export { modelOfGguf, type GgufModel, type GgufWeight } from "./gguf.ts";
export { FLAT } from "./flat-rows.ts";
export { l2Normalize, LayerContext, PADDED, type Layout } from "./layers.ts";
export {
  binaryCrossEntropySum,
  cosineDistanceSum,
  crossEntropyGraph,
  crossEntropySum,
  distillationSum,
  inBatchNegativesSum,
  labelCrossEntropySum,
  meanSquaredErrorSum,
  squaredErrorSum,
  type ContrastiveInputs,
  type LossGraphOptions,
} from "./losses.ts";
export { initializeParameter, initializeParameters, type ParameterInfo } from "./parameters.ts";
export {
  readSentenceEncoder,
  readSentencePooling,
  requireSentenceInput,
  type SentenceEncoder,
  type SentenceFiles,
} from "./sentence-pooling.ts";
export { matchWeights, parameterCount, type MatchedWeights } from "./weights.ts";
export type { BatchShape, TokenRow } from "./batch.ts";
