/**
 * The golden ladder of every family in every executor: logits, loss, every gradient, ten losses, the weights after ten
 * AdamW steps, and for causal language models what greedy decoding appends.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createExecutor, type ExecutorName } from "../../src/numeric/runtime/index.ts";
import { DECODER_CASES, ENCODER_CASES, goldenCase } from "./cases.ts";
import { barsOf, climb, failuresOf } from "./ladder.ts";

for (const name of [...ENCODER_CASES, ...DECODER_CASES])
  for (const executorName of ["reference", "native", "portable"] satisfies ExecutorName[])
    test(`${name} in ${executorName}`, async (t) => {
      const golden = goldenCase(name);
      const executor = await createExecutor(executorName);
      const ladder = await climb(golden, executor);
      t.diagnostic(JSON.stringify(ladder));
      assert.deepEqual(failuresOf(golden, executor.real, ladder), []);
      assert.equal(ladder.tokens === null, golden.kind !== "causal");
    });

test("control: what is over its bar is a failure", () => {
  const golden = goldenCase("gpt2-causal-lm");
  const { near, weights } = barsOf(golden, "float32");
  const good = {
    logits: near,
    gradients: near,
    losses: near,
    weights,
    tokens: { compared: 18, wrong: 0 },
    cached: 1e-5,
  };
  assert.deepEqual(failuresOf(golden, "float32", good), []);
  for (const bad of [
    { logits: 2 * near },
    { gradients: 2 * near },
    { losses: 2 * near },
    { weights: 2 * weights },
    { tokens: { compared: 18, wrong: 1 } },
    { cached: 2e-5 },
  ])
    assert.equal(failuresOf(golden, "float32", { ...good, ...bad }).length, 1, JSON.stringify(bad));
});
