export { bertGraph, bertParameters, type BertGraphOptions, type Head, type Pooling } from "./bert.ts";
export {
  bertConfig,
  classifierLabels,
  formatBertConfig,
  parseBertConfig,
  requireSingleLabel,
  type Architecture,
  type BertConfig,
  type ParsedConfig,
} from "./config.ts";
export { initializeParameter, initializeParameters, type ParameterInfo } from "./parameters.ts";
export { readSentencePooling, requireSentenceInput } from "./sentence-pooling.ts";
export { matchWeights, parameterCount, type MatchedWeights } from "./weights.ts";
export { batchInputs, type BatchShape, type TokenRow } from "./batch.ts";
