/**
 * One suite over the three executors. The reference interpreter (float64) is the oracle; the others must come as near
 * as float32 allows.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { differentiate } from "../../src/numeric/autodiff/index.ts";
import type { OpName } from "../../src/numeric/graph/index.ts";
import {
  createExecutor,
  type Executor,
  type Form,
  type RandomKey,
  type Session,
} from "../../src/numeric/runtime/index.ts";
import { newSharedMemory, tensor, WASM_PAGE } from "../../src/numeric/tensor/index.ts";
import { encoder, encoderInputs, OPERATORS, type Case } from "./cases.ts";
import { declared, difference, emptyOutputs, runOnce, weightsOf } from "./support.ts";

const FORMS: readonly Form[] = ["shared", "packed"];
const RANDOM: RandomKey = { seed: [1, 2], step: 5, shard: 6 };
const reference = await createExecutor("reference");
const executors: readonly Executor[] = [reference, await createExecutor("native"), await createExecutor("portable")];
const forward = encoder();
const gradients = differentiate(forward, { loss: "loss" });
const weights = weightsOf(gradients);

async function compare(
  executor: Executor,
  form: Form,
  { graph, inputs, symbols, random, caches, tolerance = 2e-6 }: Omit<Case, "name" | "covers">,
  given = weightsOf(graph),
): Promise<void> {
  const [actual, expected] = [
    await runOnce({ executor, graph, form, weights: given, inputs, symbols, random, caches }),
    await runOnce({ executor: reference, graph, form, weights: given, inputs, symbols, random, caches }),
  ];
  for (const name of graph.outputs.keys()) {
    // the key bias has no gradient (a softmax ignores what is added to all its scores): what rounding leaves is
    // measured by the query's
    const scale = name === "grad.k.bias" ? "grad.q.bias" : name;
    const gap = difference(actual[name]?.data ?? [], expected[name]?.data ?? [], expected[scale]?.data);
    assert.ok(gap <= tolerance, `${name}: ${gap} > ${tolerance}`);
  }
}

it("every operator has a case", () => {
  const all = new Set<OpName>(OPERATORS.flatMap(({ graph }) => graph.nodes.map(({ op }) => op)));
  const covered = new Set(OPERATORS.flatMap(({ covers }) => covers));
  const table: Record<OpName, true> = {
    input: true,
    parameter: true,
    constant: true,
    add: true,
    sub: true,
    mul: true,
    div: true,
    neg: true,
    exp: true,
    log: true,
    sqrt: true,
    reciprocal: true,
    tanh: true,
    relu: true,
    erf: true,
    sigmoid: true,
    softplus: true,
    geluTanh: true,
    gelu: true,
    geluGrad: true,
    reluGrad: true,
    matmul: true,
    softmax: true,
    logSoftmax: true,
    layerNorm: true,
    rmsNorm: true,
    rotary: true,
    crossEntropy: true,
    crossEntropyGrad: true,
    cachedAttention: true,
    reshape: true,
    expand: true,
    transpose: true,
    slice: true,
    pad: true,
    concat: true,
    reduceSum: true,
    oneHot: true,
    gatherRows: true,
    scatterAddRows: true,
    embedding: true,
    embeddingGrad: true,
    dropoutMask: true,
  };
  for (const op of Object.keys(table) as OpName[]) assert.ok(all.has(op) && covered.has(op), op);
});

for (const executor of executors)
  describe(executor.name, () => {
    for (const test of OPERATORS)
      it(test.name, async () => {
        // without any the two forms are one program
        const hasWeights = test.graph.nodes.some(({ op }) => op === "parameter");
        for (const form of FORMS.slice(hasWeights ? 0 : 1)) await compare(executor, form, test);
      });

    for (const form of FORMS)
      describe(form, () => {
        it("an encoder's loss and every gradient", () =>
          compare(
            executor,
            form,
            { graph: gradients, ...encoderInputs(3, 7, 6), random: RANDOM, tolerance: 1e-5 },
            weights,
          ));

        it("one session, many shapes, in any order", async () => {
          const session = await executor.load(gradients, { form, weights });
          try {
            for (const [batch, tokens, picked] of [
              [2, 4, 3],
              [5, 9, 11],
              [2, 4, 3],
            ] as const) {
              const { inputs, symbols } = encoderInputs(batch, tokens, picked);
              const outputs = emptyOutputs(gradients, symbols);
              await session.run(inputs, outputs, RANDOM);
              const alone = await runOnce({
                executor,
                graph: gradients,
                form,
                weights,
                inputs,
                symbols,
                random: RANDOM,
              });
              for (const name of gradients.outputs.keys())
                assert.deepEqual(outputs[name], alone[name], `${name} at ${batch}×${tokens}`);
            }
          } finally {
            await session.dispose();
          }
        });

        it("writes into shared memory at any offset, and only the outputs asked for", async () => {
          const { inputs, symbols } = encoderInputs(3, 7, 6);
          const expected = await runOnce({
            executor,
            graph: gradients,
            form,
            weights,
            inputs,
            symbols,
            random: RANDOM,
          });
          const memory = newSharedMemory(WASM_PAGE);
          const session = await executor.load(gradients, { form, weights });
          for (const buffer of [new SharedArrayBuffer(WASM_PAGE), memory.buffer]) {
            const table = tensor("float32", [23, 16], new Float32Array(buffer, 4 * 101, 23 * 16));
            const loss = tensor("float32", [], new Float32Array(buffer, 4 * 3, 1));
            await session.run(inputs, { "grad.table": table, loss }, RANDOM);
            assert.deepEqual([...table.data], [...(expected["grad.table"]?.data ?? [])]);
            assert.deepEqual([...loss.data], [...(expected["loss"]?.data ?? [])]);
            assert.ok(
              new Float32Array(buffer, 4 * (101 + 23 * 16), 64).every((value) => value === 0),
              "nothing beyond",
            );
          }
          await session.dispose();
        });

        it(
          form === "shared" ? "sees changed weights at the next run" : "keeps its weights when the buffers change",
          async () => {
            const { inputs, symbols } = encoderInputs(2, 4, 3);
            const own = Object.fromEntries(
              Object.entries(weights).map(([name, { shape, data }]) => [
                name,
                tensor("float32", shape, new Float32Array(new SharedArrayBuffer(data.byteLength))),
              ]),
            );
            for (const [name, { data }] of Object.entries(own)) data.set(weights[name]?.data ?? []);
            const session = await executor.load(forward, { form, weights: own });
            const [before, later] = [emptyOutputs(forward, symbols), emptyOutputs(forward, symbols)];
            await session.run(inputs, before, RANDOM);
            for (const [name, { data }] of Object.entries(own)) if (name !== "table") data.fill(0.125);
            await session.run(inputs, later, RANDOM);
            assert.equal(difference(later["loss"]?.data ?? [], before["loss"]?.data ?? []) === 0, form === "packed");
            await session.dispose();
          },
        );
      });

    it("masks have the same bits everywhere and depend on all of their key", async () => {
      const test = OPERATORS.find(({ name }) => name === "dropout masks") as Case;
      const mask = async (by: Executor, random: RandomKey): Promise<string> => {
        const { mask: result } = await runOnce({ executor: by, form: "shared", weights: {}, ...test, random });
        return result?.data.join() ?? "";
      };
      const seen = new Set<string>();
      for (const random of [
        RANDOM,
        { ...RANDOM, step: 9 },
        { ...RANDOM, shard: 9 },
        { ...RANDOM, seed: [9, 2] as const },
      ]) {
        assert.equal(await mask(executor, random), await mask(reference, random));
        seen.add(await mask(executor, random));
      }
      assert.equal(seen.size, 4);
    });

    describe("refuses", () => {
      const { inputs, symbols } = encoderInputs(2, 4, 3);
      const refuses = async (code: string, act: (session: Session) => Promise<unknown>): Promise<void> => {
        const session = await executor.load(forward, { form: "shared", weights });
        await assert.rejects(act(session), { code });
        await session.dispose();
      };
      const outputs = emptyOutputs(forward, symbols);
      const cases: Readonly<Record<string, (session: Session) => Promise<unknown>>> = {
        "a missing input": (session) => session.run({ ...inputs, tokens: undefined as never }, outputs, RANDOM),
        "an unknown input": (session) => session.run({ ...inputs, extra: inputs["mask"] as never }, outputs, RANDOM),
        "an unknown output": (session) => session.run(inputs, { nothing: outputs["loss"] as never }, RANDOM),
        "an input of the wrong type": (session) =>
          session.run({ ...inputs, tokens: inputs["mask"] as never }, outputs, RANDOM),
        "symbols that disagree": (session) =>
          session.run({ ...inputs, labels: tensor("int32", [4], new Int32Array(4)) }, outputs, RANDOM),
        "an output of the wrong shape": (session) =>
          session.run(inputs, { hidden: tensor("float32", [2, 4, 15], new Float32Array(120)) }, RANDOM),
        "dropout without its key": (session) => session.run(inputs, outputs),
        "an id outside the table": (session) =>
          session.run({ ...inputs, tokens: tensor("int32", [2, 4], new Int32Array(8).fill(23)) }, outputs, RANDOM),
        "a negative id": (session) =>
          session.run({ ...inputs, tokens: tensor("int32", [2, 4], new Int32Array(8).fill(-1)) }, outputs, RANDOM),
      };
      for (const [what, act] of Object.entries(cases)) it(what, () => refuses("INPUT_INVALID", act));

      it("weights that are missing or of another shape", async () => {
        for (const name of declared(forward, "parameter").keys()) {
          await assert.rejects(
            executor.load(forward, { form: "shared", weights: { ...weights, [name]: undefined as never } }),
            { code: "WEIGHTS_INVALID" },
          );
          await assert.rejects(
            executor.load(forward, {
              form: "packed",
              weights: { ...weights, [name]: tensor("float32", [1], new Float32Array(1)) },
            }),
            { code: "WEIGHTS_INVALID" },
          );
        }
      });
    });
  });
