export type {
  Dim,
  Graph,
  NoAttributes,
  Node,
  OpAttributes,
  OpName,
  Shape,
  Value,
  ValueId,
  ValueType,
} from "./types.ts";
export {
  addDims,
  bindShapes,
  bindSymbols,
  canonicalDim,
  canonicalShape,
  dimsEqual,
  divDims,
  evalDim,
  evalShape,
  mulDims,
  shapesEqual,
  subDims,
  symbolsOf,
  type SymbolBindings,
} from "./dim.ts";
export { broadcastShapes, inferNode, inferShapes, showShape, type TypedShape } from "./infer.ts";
export {
  type CrossEntropyOutputs,
  GraphBuilder,
  type LayerNormOutputs,
  type MatmulOptions,
  type RmsNormOutputs,
} from "./builder.ts";
export { verify } from "./verify.ts";
export { print } from "./print.ts";
export { simplify } from "./simplify.ts";
