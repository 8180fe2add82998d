/**
 * Forward and backward of BERT at two shapes against ONNX Runtime's own matrix product (packed, its fastest form), by
 * matrix-product operations alone: what softmax, layer norms, GELU, masks and the runtime take is our loss. One thread,
 * thread time.
 */
import { differentiate } from "../src/numeric/autodiff/index.ts";
import { GraphBuilder } from "../src/numeric/graph/index.ts";
import {
  batchInputs,
  crossEntropyGraph,
  modelParameters,
  parseModelConfig,
  initializeParameters,
  type Head,
} from "../src/language/models/index.ts";
import { createExecutor, type Executor } from "../src/numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../src/numeric/tensor/index.ts";
import { matmulFlops } from "./flops.ts";
import type { Benchmark, Figure } from "./report.ts";
import { interleave, median, medianRatio } from "./timing.ts";

const HEAD = { kind: "sequence", labels: 77, pooling: "mean" } as const satisfies Head;
interface Shape {
  readonly what: string;
  readonly rows: number;
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  readonly bar: number;
}

export const gradient: Benchmark = async ({ layers, rounds, progress }) => {
  const executor = await createExecutor("native");
  const shapes: readonly Shape[] = [
    {
      what: `BERT-base, ${layers} layers, 4x128 tokens`,
      rows: 4,
      tokens: 128,
      width: 768,
      heads: 12,
      layers,
      bar: 0.7,
    },
    { what: "4 layers of 256, 8x64 tokens", rows: 8, tokens: 64, width: 256, heads: 4, layers: 4, bar: 0.6 },
  ];
  const figures: Figure[] = [];
  for (const shape of shapes) {
    progress(`forward and backward: ${shape.what}`);
    figures.push(...(await measure(executor, shape, rounds)));
  }
  return {
    name: "gradient",
    figures,
    note: "forward+backward against ONNX Runtime's MatMul, interleaved, one thread, operations of matrix products only",
  };
};

async function measure(executor: Executor, shape: Shape, rounds: number): Promise<Figure[]> {
  const program = await gradientProgram(executor, shape);
  const product = await productProgram(executor, shape.rows * shape.tokens, shape.width, 4 * shape.width);
  const [whole, reference] = await interleave(rounds, [program.run, product.run]);
  await program.dispose();
  await product.dispose();
  const rate = whole!.map((seconds) => program.flops / seconds / 1e9);
  const referenceRate = reference!.map((seconds) => product.flops / seconds / 1e9);
  return [
    { what: `${shape.what}: ratio`, value: medianRatio(rate, referenceRate), unit: "", bar: { min: shape.bar } },
    { what: "  forward+backward", value: median(rate), unit: "GFLOP/s" },
    { what: "  ONNX Runtime's MatMul", value: median(referenceRate), unit: "GFLOP/s" },
  ];
}

interface Program {
  readonly flops: number;
  readonly run: () => Promise<void>;
  readonly dispose: () => Promise<void>;
}

async function gradientProgram(executor: Executor, { rows, tokens, width, heads, layers }: Shape): Promise<Program> {
  const { config } = parseModelConfig({
    model_type: "bert",
    vocab_size: 1000,
    hidden_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: 4 * width,
    max_position_embeddings: tokens,
    type_vocab_size: 2,
  });
  const graph = differentiate(crossEntropyGraph(config, HEAD), { loss: "loss", keep: ["loss"] });
  const parameters = modelParameters(config, HEAD);
  const weights = Object.fromEntries(initializeParameters(parameters, 0.02, [1, 2]));
  const session = await executor.load(graph, { form: "shared", weights });
  const ids = (row: number) => Int32Array.from({ length: tokens }, (_, t) => (row * 7919 + t * 331) % 1000);
  const inputs = {
    ...batchInputs(
      Array.from({ length: rows }, (_, row) => ({ ids: ids(row) })),
      config,
      HEAD,
      { tokens, padId: 0, real: "float32" },
    ),
    labels: tensor("int32", [rows], new Int32Array(rows)),
    label_weights: tensor("float32", [rows], new Float32Array(rows).fill(1)),
    loss_scale: tensor("float32", [], Float32Array.of(1)),
  };
  const outputs: Record<string, HostTensor> = { loss: tensor("float32", [], new Float32Array(1)) };
  for (const { name, shape } of parameters)
    outputs[`grad.${name}`] = tensor(
      "float32",
      shape,
      new Float32Array(shape.reduce((product, dim) => product * dim, 1)),
    );
  return {
    flops: matmulFlops(graph, { B: rows, T: tokens }),
    run: () => session.run(inputs, outputs),
    dispose: () => session.dispose(),
  };
}

/** x[M, K] · w[K, N] in packed form */
async function productProgram(executor: Executor, M: number, K: number, N: number): Promise<Program> {
  const g = new GraphBuilder();
  g.output("y", g.matmul(g.input("x", "real", [M, K]), g.parameter("w", [K, N])));
  const values = (rows: number, columns: number) =>
    tensor(
      "float32",
      [rows, columns],
      Float32Array.from({ length: rows * columns }, (_, i) => ((i * 7919) % 1000) / 1000 - 0.5),
    );
  const session = await executor.load(g.build(), { form: "packed", weights: { w: values(K, N) } });
  const inputs = { x: values(M, K) };
  const outputs = { y: values(M, N) };
  return { flops: 2 * M * K * N, run: () => session.run(inputs, outputs), dispose: () => session.dispose() };
}
