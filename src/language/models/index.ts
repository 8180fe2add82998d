export { bertGraph, bertParameters, type BertGraphOptions, type Head, type Pooling } from "./bert.ts";
export {
  bertConfig,
  formatBertConfig,
  parseBertConfig,
  type Architecture,
  type BertConfig,
  type ParsedConfig,
} from "./config.ts";
export { initializeParameter, initializeParameters, type ParameterInfo } from "./parameters.ts";
export { matchWeights, parameterCount, type MatchedWeights } from "./weights.ts";
export { batchInputs, type BatchShape, type TokenRow } from "./batch.ts";
