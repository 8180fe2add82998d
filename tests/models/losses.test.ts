/** The cross-entropy sum beside its definition, written out in float64. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PURPOSE, seedFrom, uniform } from "../../src/base/index.ts";
import { crossEntropySum } from "../../src/language/models/losses.ts";
import { GraphBuilder } from "../../src/numeric/graph/index.ts";
import { createExecutor, type ExecutorName } from "../../src/numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

const N = 6,
  L = 5;
const logits = Float32Array.from({ length: N * L }, (_, i) => 8 * uniform(seedFrom(3), PURPOSE.test, 0, 0, i) - 4);
const labels = Int32Array.from([0, 4, 2, -100, 1, 3]);
const weights = Float32Array.from([1, 0.5, 2, 0, 1, 0]);

function naive(smoothing: number): number {
  let loss = 0;
  for (let n = 0; n < N; n++) {
    if (weights[n] === 0) continue;
    const row = Array.from(logits.slice(n * L, (n + 1) * L));
    const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    row.forEach((x, l) => {
      loss -= weights[n]! * ((l === labels[n] ? 1 - smoothing : 0) + smoothing / L) * (x - total);
    });
  }
  return loss;
}

async function ours(executorName: ExecutorName, smoothing: number, given: Float32Array = logits): Promise<number> {
  const g = new GraphBuilder();
  g.output(
    "loss",
    crossEntropySum(
      g,
      g.input("logits", "real", ["N", L]),
      g.input("labels", "int", ["N"]),
      g.input("weights", "real", ["N"]),
      L,
      smoothing,
    ),
  );
  const executor = await createExecutor(executorName);
  const session = await executor.load(g.build(), { form: "shared", weights: {} });
  const real = (shape: number[], data: Float32Array): HostTensor =>
    executor.real === "float32" ? tensor("float32", shape, data) : tensor("float64", shape, Float64Array.from(data));
  const loss = real([], new Float32Array(1));
  await session.run(
    { logits: real([N, L], given), labels: tensor("int32", [N], labels), weights: real([N], weights) },
    { loss },
  );
  await session.dispose();
  return Number(loss.data[0]);
}

describe("cross-entropy", () => {
  for (const smoothing of [0, 0.1, 0.9]) {
    test(`with label smoothing ${smoothing}`, async () => {
      const expected = naive(smoothing);
      assert.ok(Math.abs((await ours("reference", smoothing)) - expected) < 1e-12 * Math.abs(expected) + 1e-12);
      assert.ok(Math.abs((await ours("native", smoothing)) - expected) < 1e-6 * Math.abs(expected));
    });
  }

  test("rows without weight do not count, whatever they hold; large logits do not overflow", async () => {
    const other = logits.slice();
    other.fill(1000, 3 * L, 4 * L);
    other.fill(-1000, 5 * L, 6 * L);
    assert.equal(await ours("reference", 0.1, other), await ours("reference", 0.1));
    const large = logits.map((x) => x + 1e4);
    assert.ok(Math.abs((await ours("reference", 0.1, large)) - naive(0.1)) < 1e-2);
  });
});
