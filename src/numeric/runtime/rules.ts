/**
 * How each operator of the graph language is written in ONNX: one total table, `real` as float32, `int` as int32. A
 * rule gets the names of its operands and of its results. Operators that the host carries out around the session
 * (embedding, its gradient, dropout masks) and declarations never come here: lower.ts takes them first.
 */
import type { Node, OpName, Shape } from "../graph/index.ts";
import { MICROSOFT, type Emitter } from "./emit.ts";
import { cacheNames } from "./program.ts";

/** Declared or carried out around the session: inputs of the model. */
export type HostOp = "input" | "parameter" | "embedding" | "embeddingGrad" | "dropoutMask";
export type SessionOp = Exclude<OpName, HostOp>;

export interface Names {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly inputShapes: readonly Shape[];
}
type Rule<Op extends SessionOp> = (emit: Emitter, names: Names, attributes: Node<Op>["attributes"]) => void;

/** A rule that needs no attributes. */
type Plain = (emit: Emitter, names: Names) => void;
const plain =
  (op: string, domain = ""): Plain =>
  (emit, { inputs, outputs }) => {
    emit.node(op, inputs, { outputs, domain });
  };
const overLastAxis =
  (op: string): Plain =>
  (emit, { inputs, outputs }) => {
    emit.node(op, inputs, { outputs, attributes: { axis: { int: -1 } } });
  };
const LOG_INV_SQRT_PI = -0.5723649429247001; // ln(1/√π)
const flag = (on: boolean): { readonly int: number } => ({ int: on ? 1 : 0 });
// arity was checked when the graph was built
const at = (names: readonly string[], index: number): string => names[index] as string;

export const RULES: { readonly [Op in SessionOp]: Rule<Op> } = {
  constant: (emit, { outputs }, { value }) => {
    emit.node("Identity", [emit.real(value)], { outputs });
  },
  add: plain("Add"),
  sub: plain("Sub"),
  mul: plain("Mul"),
  div: plain("Div"),
  neg: plain("Neg"),
  exp: plain("Exp"),
  log: plain("Log"),
  sqrt: plain("Sqrt"),
  reciprocal: plain("Reciprocal"),
  tanh: plain("Tanh"),
  relu: plain("Relu"),
  erf: plain("Erf"),
  sigmoid: plain("Sigmoid"),
  softplus: plain("Softplus"),
  geluTanh: plain("FastGelu", MICROSOFT),
  gelu: plain("Gelu", MICROSOFT),

  // dy·(Φ(x) + x·φ(x)) with t = x/√2: Φ = (1 + erf t)/2 (HardSigmoid is just that affine map, in one pass) and
  // x·φ = t·exp(−t²)/√π = t·exp(ln(1/√π) − t²). Nine passes over memory; each one more costs a tenth.
  geluGrad: (emit, { inputs, outputs }) => {
    const t = emit.node("Mul", [at(inputs, 0), emit.real(Math.SQRT1_2)]);
    const cumulative = emit.node("HardSigmoid", [emit.node("Erf", [t])], {
      attributes: { alpha: { float: 0.5 }, beta: { float: 0.5 } },
    });
    const density = emit.node("Exp", [emit.node("Sub", [emit.real(LOG_INV_SQRT_PI), emit.node("Mul", [t, t])])]);
    const slope = emit.node("Add", [cumulative, emit.node("Mul", [t, density])]);
    emit.node("Mul", [at(inputs, 1), slope], { outputs });
  },
  reluGrad: (emit, { inputs, outputs }) => {
    emit.node("Where", [emit.node("Greater", [at(inputs, 0), emit.real(0)]), at(inputs, 1), emit.real(0)], { outputs });
  },

  matmul: (emit, { inputs, outputs }, { transA, transB, alpha }) => {
    if (!transA && !transB && alpha === 1) emit.node("MatMul", inputs, { outputs });
    else
      emit.node("FusedMatMul", inputs, {
        outputs,
        domain: MICROSOFT,
        attributes: { transA: flag(transA), transB: flag(transB), alpha: { float: alpha } },
      });
  },
  softmax: overLastAxis("Softmax"),
  logSoftmax: overLastAxis("LogSoftmax"),
  layerNorm: (emit, { inputs, outputs }, { epsilon }) => {
    emit.node("LayerNormalization", inputs, {
      outputs,
      attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
    });
  },
  // ONNX has RMSNormalization from operator set 23 on; this is the library's own, in the domain of ONNX
  rmsNorm: (emit, { inputs, outputs }, { epsilon }) => {
    emit.node("SimplifiedLayerNormalization", inputs, {
      outputs,
      attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
    });
  },
  rotary: (emit, { inputs, outputs }) => {
    const [x, positions, cos, sin] = [0, 1, 2, 3].map((i) => at(inputs, i)) as [string, string, string, string];
    emit.node("RotaryEmbedding", [x, emit.cast(positions, "int64"), cos, sin], { outputs, domain: MICROSOFT });
  },
  // a negative label picks element 0, and what is made of it is set to 0
  crossEntropy: (emit, { inputs, outputs }) => {
    const [logits, labels] = [at(inputs, 0), at(inputs, 1)];
    const [loss, wanted] = [at(outputs, 0), at(outputs, 1)];
    const logProbs = wanted === "" ? emit.fresh() : wanted;
    emit.node("LogSoftmax", [logits], { outputs: [logProbs], attributes: { axis: { int: -1 } } });
    const { index, ignored } = labelIndex(emit, labels);
    const picked = emit.node("GatherElements", [logProbs, index], { attributes: { axis: { int: 1 } } });
    const row = emit.node("Neg", [emit.node("Squeeze", [picked, emit.longs([1])])]);
    emit.node("Where", [ignored, emit.real(0), row], { outputs: [loss] });
  },
  crossEntropyGrad: (emit, { inputs, outputs }) => {
    const [logProbs, labels, dy] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const { index, ignored } = labelIndex(emit, labels);
    const slope = emit.node("Unsqueeze", [emit.node("Where", [ignored, emit.real(0), dy]), emit.longs([1])]);
    const weighted = emit.node("Mul", [emit.node("Exp", [logProbs]), slope]);
    emit.node("ScatterElements", [weighted, index, emit.node("Neg", [slope])], {
      outputs,
      attributes: { axis: { int: 1 }, reduction: { string: "add" } },
    });
  },

  // the library's operator wants [1, R, columns], the index of the last token, and their number; the positions of its
  // keys are its own, and rotations were done before. Columns are said as numbers: where it does not know them, it
  // takes them for 0
  cachedAttention: (emit, { inputs, outputs }, { slot, layer, heads, keyHeads, width, scale, window }) => {
    const [x, total] = [at(inputs, 0), at(inputs, 1)];
    const { pastKey, pastValue, key, value } = cacheNames({ slot, layer });
    const last = emit.node("Sub", [emit.node("Unsqueeze", [total, emit.longs([0])]), emit.int(1)]);
    const mixed = emit.fresh();
    emit.node(
      "GroupQueryAttention",
      [
        emit.node("Reshape", [x, emit.longs([1, -1, (heads + 2 * keyHeads) * width])]),
        "",
        "",
        pastKey,
        pastValue,
        last,
        total,
      ],
      {
        domain: MICROSOFT,
        outputs: [mixed, key, value],
        attributes: {
          num_heads: { int: heads },
          kv_num_heads: { int: keyHeads },
          scale: { float: scale },
          local_window_size: { int: window ?? -1 },
        },
      },
    );
    emit.node("Reshape", [mixed, emit.longs([-1, heads * width])], { outputs });
  },

  reshape: (emit, { inputs, outputs }, { shape }) => {
    emit.node("Reshape", [at(inputs, 0), emit.shape(shape)], { outputs });
  },
  expand: (emit, { inputs, outputs }, { shape }) => {
    emit.node("Expand", [at(inputs, 0), emit.shape(shape)], { outputs });
  },
  transpose: (emit, { inputs, outputs }, { perm }) => {
    emit.node("Transpose", inputs, { outputs, attributes: { perm: { ints: perm } } });
  },
  slice: (emit, { inputs, outputs }, { axis, start, end }) => {
    emit.node("Slice", [at(inputs, 0), emit.shape([start]), emit.shape([end]), emit.longs([axis])], { outputs });
  },
  pad: (emit, { inputs, outputs }, { axis, before, after }) => {
    emit.node("Pad", [at(inputs, 0), emit.shape([before, after]), emit.real(0), emit.longs([axis])], { outputs });
  },
  concat: (emit, { inputs, outputs }, { axis }) => {
    emit.node("Concat", inputs, { outputs, attributes: { axis: { int: axis } } });
  },
  reduceSum: (emit, { inputs, outputs }, { axes, keepDims }) => {
    emit.node("ReduceSum", [at(inputs, 0), emit.longs(axes)], { outputs, attributes: { keepdims: flag(keepDims) } });
  },

  // ONNX counts negative indices from the end; here they are out of range, so they are moved to one that is there too
  oneHot: (emit, { inputs, outputs, inputShapes }, { depth, on, off }) => {
    const size = emit.size(depth);
    const index = emit.node("Where", [emit.node("Less", [at(inputs, 0), emit.int(0)]), size, at(inputs, 0)]);
    const write = (indices: string, results: readonly string[]): string =>
      emit.node("OneHot", [indices, size, emit.reals([off, on])], {
        outputs: results,
        attributes: { axis: { int: -1 } },
      });
    if (inputShapes[0]?.length !== 0) write(index, outputs);
    else
      emit.node("Squeeze", [write(emit.node("Unsqueeze", [index, emit.longs([0])]), [emit.fresh()]), emit.longs([0])], {
        outputs,
      }); // ONNX wants an axis
  },
  gatherRows: (emit, { inputs, outputs }) => {
    emit.node("Gather", inputs, { outputs, attributes: { axis: { int: 0 } } });
  },
  scatterAddRows: (emit, { inputs, outputs, inputShapes }, { rows }) => {
    const [dy, index] = [at(inputs, 0), at(inputs, 1)];
    const zeros = emit.node("Expand", [emit.real(0), emit.shape([rows, inputShapes[0]?.[1] ?? 1])]);
    const indices = emit.node("Unsqueeze", [emit.cast(index, "int64"), emit.longs([1])]);
    emit.node("ScatterND", [zeros, indices, dy], { outputs, attributes: { reduction: { string: "add" } } });
  },
};

/** Labels as indices along a row, [N, 1], and which rows do not count. */
function labelIndex(emit: Emitter, labels: string): { readonly index: string; readonly ignored: string } {
  const ignored = emit.node("Less", [labels, emit.int(0)]);
  const index = emit.node("Where", [ignored, emit.int(0), labels]);
  return { index: emit.node("Unsqueeze", [index, emit.longs([1])]), ignored };
}
