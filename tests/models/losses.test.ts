/** Losses beside their definitions, written out in float64. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PURPOSE, seedFrom, uniform } from "../../src/base/index.ts";
import {
  binaryCrossEntropySum,
  cosineDistanceSum,
  crossEntropySum,
  distillationSum,
  inBatchNegativesSum,
  labelCrossEntropySum,
  meanSquaredErrorSum,
  squaredErrorSum,
} from "../../src/language/models/losses.ts";
import { RULES, type RuleTable } from "../../src/numeric/autodiff/rules.ts";
import { GraphBuilder, type ValueId } from "../../src/numeric/graph/index.ts";
import { createExecutor, type ExecutorName } from "../../src/numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

import { gradientError } from "../autodiff/check.ts";

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

type Inputs = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array | Int32Array }>>;

/** One loss in one executor. */
async function run(executorName: ExecutorName, write: (g: GraphBuilder) => ValueId, inputs: Inputs): Promise<number> {
  const g = new GraphBuilder();
  g.output("loss", write(g));
  const executor = await createExecutor(executorName);
  const session = await executor.load(g.build(), { form: "shared", weights: {} });
  const real = (shape: readonly number[], data: Float32Array): HostTensor =>
    executor.real === "float32" ? tensor("float32", shape, data) : tensor("float64", shape, Float64Array.from(data));
  const loss = real([], new Float32Array(1));
  const given = Object.entries(inputs).map(([name, { shape, data }]) => [
    name,
    data instanceof Int32Array ? tensor("int32", shape, data) : real(shape, data),
  ]);
  await session.run(Object.fromEntries(given) as Record<string, HostTensor>, { loss });
  await session.dispose();
  return Number(loss.data[0]);
}

const WRITTEN = { oneHot: crossEntropySum, byLabel: labelCrossEntropySum };

function ours(
  executorName: ExecutorName,
  smoothing: number,
  given: Float32Array = logits,
  way: keyof typeof WRITTEN = "oneHot",
): Promise<number> {
  const write = (g: GraphBuilder): ValueId =>
    WRITTEN[way](
      g,
      g.input("logits", "real", ["N", L]),
      g.input("labels", "int", ["N"]),
      g.input("weights", "real", ["N"]),
      L,
      smoothing,
    );
  return run(executorName, write, {
    logits: { shape: [N, L], data: given },
    labels: { shape: [N], data: labels },
    weights: { shape: [N], data: weights },
  });
}

/** In the oracle and in float32. */
async function isNear(write: (g: GraphBuilder) => ValueId, inputs: Inputs, expected: number): Promise<void> {
  for (const [executorName, tolerance] of [
    ["reference", 1e-12],
    ["native", 1e-6],
  ] as const) {
    const found = await run(executorName, write, inputs);
    assert.ok(
      Math.abs(found - expected) <= tolerance * Math.abs(expected),
      `${executorName}: ${found}, not ${expected}`,
    );
  }
}

/** By central differences in float64, `fixed` inputs left out. */
async function hasGradient(build: (g: GraphBuilder) => ValueId, fixed: readonly string[]): Promise<void> {
  const error = await gradientError({ name: "loss", build, fixed, symbols: { N } });
  assert.ok(error < 1e-7, String(error));
  // a rule that is wrong on purpose: the check can fail
  const wrong: RuleTable = { ...RULES, mul: RULES.add as unknown as RuleTable["mul"] };
  assert.ok((await gradientError({ name: "loss", build, fixed, symbols: { N } }, wrong)) > 1e-3);
}

describe("cross-entropy", () => {
  for (const way of ["oneHot", "byLabel"] as const)
    for (const smoothing of [0, 0.1, 0.9])
      test(`${way}, with label smoothing ${smoothing}`, async () => {
        const expected = naive(smoothing);
        const found = await ours("reference", smoothing, logits, way);
        assert.ok(Math.abs(found - expected) < 1e-12 * Math.abs(expected) + 1e-12);
        assert.ok(Math.abs((await ours("native", smoothing, logits, way)) - expected) < 1e-6 * Math.abs(expected));
      });

  test("rows without weight do not count, whatever they hold; large logits do not overflow", async () => {
    const other = logits.slice();
    other.fill(1000, 3 * L, 4 * L);
    other.fill(-1000, 5 * L, 6 * L);
    for (const way of ["oneHot", "byLabel"] as const)
      assert.equal(await ours("reference", 0.1, other, way), await ours("reference", 0.1, logits, way));
    const large = logits.map((x) => x + 1e4);
    assert.ok(Math.abs((await ours("reference", 0.1, large)) - naive(0.1)) < 1e-2);
  });
});

describe("other losses", () => {
  const vector = (name: string, length: number, low: number, high: number) =>
    Float32Array.from({ length }, (_, i) => low + (high - low) * uniform(seedFrom(name), PURPOSE.test, 0, 0, i));
  const rowWeights = { shape: [N], data: weights };

  test("several labels: the mean over a row's labels, also where a probability rounds to 0 or 1", async () => {
    const targets = Float32Array.from({ length: N * L }, (_, i) => (i % 3 === 0 ? 1 : i % 7 === 0 ? 0.25 : 0));
    const far = logits.map((x, i) => (i % 5 === 0 ? 60 * x : x));
    let expected = 0;
    for (let n = 0; n < N; n++)
      for (let l = 0; l < L; l++) {
        const [x, t] = [far[n * L + l]!, targets[n * L + l]!];
        const minusLog = (sign: number) => Math.max(-sign * x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
        expected += (weights[n]! / L) * (t * minusLog(1) + (1 - t) * minusLog(-1));
      }
    await isNear(
      (g) =>
        binaryCrossEntropySum(
          g,
          g.input("logits", "real", ["N", L]),
          g.input("targets", "real", ["N", L]),
          g.input("weights", "real", ["N"]),
          L,
        ),
      { logits: { shape: [N, L], data: far }, targets: { shape: [N, L], data: targets }, weights: rowWeights },
      expected,
    );
  });

  test("scores: the squared error", async () => {
    const [predictions, targets] = [vector("predictions", N, -2, 2), vector("targets", N, -2, 2)];
    const expected = predictions.reduce((sum, p, n) => sum + weights[n]! * (p - targets[n]!) * (p - targets[n]!), 0);
    await isNear(
      (g) =>
        squaredErrorSum(
          g,
          g.input("predictions", "real", ["N", 1]),
          g.input("targets", "real", ["N"]),
          g.input("weights", "real", ["N"]),
        ),
      {
        predictions: { shape: [N, 1], data: predictions },
        targets: { shape: [N], data: targets },
        weights: rowWeights,
      },
      expected,
    );
  });

  test("a teacher: Kullback-Leibler divergence of cooled probabilities", async () => {
    const teacher = vector("teacher", N * L, -3, 3);
    const T = 2.5;
    const cooled = (given: Float32Array, n: number) => {
      const row = Array.from(given.slice(n * L, (n + 1) * L), (x) => x / T);
      const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      return row.map((x) => x - total);
    };
    let expected = 0;
    for (let n = 0; n < N; n++) {
      const [wanted, given] = [cooled(teacher, n), cooled(logits, n)];
      wanted.forEach((log, l) => (expected += weights[n]! * Math.exp(log) * (log - given[l]!)));
    }
    const write = (g: GraphBuilder): ValueId =>
      distillationSum(
        g,
        g.input("logits", "real", ["N", L]),
        g.input("teacher", "real", ["N", L]),
        g.input("weights", "real", ["N"]),
        T,
      );
    await isNear(
      write,
      { logits: { shape: [N, L], data: logits }, teacher: { shape: [N, L], data: teacher }, weights: rowWeights },
      expected,
    );
    await hasGradient(write, ["teacher", "weights"]);
  });

  test("vectors of a teacher: cosine and mean squared difference", async () => {
    const [own, wanted] = [vector("own", N * L, -2, 2), vector("wanted", N * L, -2, 2)];
    const rows = Array.from({ length: N }, (_, n) => [own, wanted].map((one) => one.slice(n * L, (n + 1) * L)));
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const distances = {
      cosine: ([a, b]: Float32Array[]) => 1 - dot(a!, b!) / Math.sqrt(dot(a!, a!) * dot(b!, b!)),
      squares: ([a, b]: Float32Array[]) => a!.reduce((sum, x, i) => sum + (x - b![i]!) * (x - b![i]!), 0) / L,
    };
    for (const [name, sum] of [
      ["cosine", cosineDistanceSum],
      ["squares", meanSquaredErrorSum],
    ] as const) {
      const write = (g: GraphBuilder): ValueId => {
        const side = (one: string) => g.input(one, "real", ["N", L]);
        return sum(g, side("own"), side("wanted"), g.input("weights", "real", ["N"]), L);
      };
      const expected = rows.reduce((total, row, n) => total + weights[n]! * distances[name](row), 0);
      await isNear(
        write,
        { own: { shape: [N, L], data: own }, wanted: { shape: [N, L], data: wanted }, weights: rowWeights },
        expected,
      );
      await hasGradient(write, ["wanted", "weights"]);
    }
  });

  test("in-batch negatives, with a candidate that belongs to nobody", async () => {
    const [C, R, S, scale] = [3, 2, 4, 20];
    const pooled = vector("pooled", 6 * C, -2, 2);
    const [anchors, candidates, partners] = [
      [4, 0],
      [1, 5, 2, 3],
      [2, 1],
    ] as const;
    const unit = (row: number) => {
      const x = Array.from(pooled.slice(row * C, (row + 1) * C));
      const length = Math.sqrt(x.reduce((sum, value) => sum + value * value, 1e-12));
      return x.map((value) => value / length);
    };
    const expected = anchors.reduce<number>((sum, anchor, r) => {
      const scores = candidates.map(
        (candidate) => scale * unit(anchor).reduce((dot, value, c) => dot + value * unit(candidate)[c]!, 0),
      );
      const total = Math.log(scores.reduce((all, score) => all + Math.exp(score), 0));
      return sum + weights[r]! * (total - scores[partners[r]!]!);
    }, 0);
    await isNear(
      (g) =>
        inBatchNegativesSum(g, g.input("pooled", "real", ["B", C]), C, {
          anchors: g.input("anchors", "int", ["R"]),
          candidates: g.input("candidates", "int", ["S"]),
          labels: g.input("labels", "int", ["R"]),
          weights: g.input("weights", "real", ["R"]),
          scale,
        }).loss,
      {
        pooled: { shape: [6, C], data: pooled },
        anchors: { shape: [R], data: Int32Array.from(anchors) },
        candidates: { shape: [S], data: Int32Array.from(candidates) },
        labels: { shape: [R], data: Int32Array.from(partners) },
        weights: { shape: [R], data: weights.slice(0, R) },
      },
      expected,
    );
  });
});
