import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  accuracy,
  chooseThreshold,
  classScores,
  confidences,
  confusionPairs,
  expectedCalibrationError,
  fitTemperature,
  macroF1,
  negativeLogLikelihood,
  predictedClasses,
  probabilitiesOf,
  TEMPERATURE_RANGE,
  wilsonInterval,
  type Scores,
} from "../../src/work/evaluate/index.ts";

const near = (actual: number, expected: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

describe("accuracy", () => {
  it("comes with Wilson's interval", () => {
    const result = accuracy([0, 1, 1, 2], [0, 1, 2, 2]);
    assert.equal(result.correct, 3);
    assert.equal(result.value, 0.75);
    // By definition its ends are the q at which p is z standard errors away: (p - q)² = z² q (1 - q) / n.
    const p = 2764 / 3080;
    for (const q of wilsonInterval(2764, 3080)) near((p - q) ** 2, (1.959963984540054 ** 2 * q * (1 - q)) / 3080);
    assert.deepEqual(wilsonInterval(0, 10)[0], 0);
    assert.deepEqual(wilsonInterval(10, 10)[1], 1);
    near(wilsonInterval(10, 10)[0], 10 / (10 + 1.959963984540054 ** 2));
  });
  it("holds the true proportion in its interval, and shrinks with more rows", () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 500 })
          .chain((total) => fc.tuple(fc.integer({ min: 0, max: total }), fc.constant(total))),
        ([right, total]) => {
          const [low, high] = wilsonInterval(right, total);
          assert.ok(low >= 0 && high <= 1 && low <= right / total && right / total <= high);
          const [low4, high4] = wilsonInterval(4 * right, 4 * total);
          assert.ok(high4 - low4 < high - low);
        },
      ),
      { seed: 1 },
    );
  });
  it("refuses nothing, and unequal lengths", () => {
    assert.throws(() => accuracy([], []), { code: "DATA_INVALID" });
    assert.throws(() => accuracy([1], [1, 2]), { code: "DATA_INVALID" });
    assert.throws(() => classScores([5], [0], 2), { code: "DATA_INVALID" });
  });
});

describe("by class", () => {
  it("macro-F1 counts every class the same", () => {
    // By hand: class 0 has 3 hits of 3 named and 4 there, class 1 has 1 of 3 and 1, class 2 none.
    near(macroF1([0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 2], 3), (6 / 7 + 1 / 2 + 0) / 3);
    assert.deepEqual(classScores([0, 1, 1], [0, 0, 1], 3)[2], { precision: 0, recall: 0, f1: 0, support: 0 });
    assert.equal(macroF1([0, 1], [0, 1], 5), 1);
  });
  it("lists the commonest mistakes first", () => {
    assert.deepEqual(confusionPairs([1, 1, 0, 2, 2], [0, 0, 1, 0, 2]), [
      { expected: 0, predicted: 1, count: 2 },
      { expected: 0, predicted: 2, count: 1 },
      { expected: 1, predicted: 0, count: 1 },
    ]);
    assert.equal(confusionPairs([1, 1, 0, 2, 2], [0, 0, 1, 0, 2], 1).length, 1);
  });
});

/** Rows whose labels are drawn from softmax(logits / temperature), by a small linear congruential generator. */
function drawn(rows: number, numClasses: number, temperature: number): { scores: Scores; labels: number[] } {
  let state = 12345;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const logits = Float64Array.from({ length: rows * numClasses }, () => 6 * next());
  const labels = Array.from({ length: rows }, (_, row) => {
    let left = next();
    const p = probabilitiesOf(logits.subarray(row * numClasses, (row + 1) * numClasses), temperature);
    return Math.min(numClasses - 1, p.findIndex((share) => (left -= share) < 0) >>> 0);
  });
  return { scores: { logits, numClasses }, labels };
}

describe("probabilities", () => {
  it("sum to one and survive large logits", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e4, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 9 }),
        (logits) => {
          near(
            probabilitiesOf(logits).reduce((sum, p) => sum + p, 0),
            1,
            1e-12,
          );
        },
      ),
      { seed: 2 },
    );
    near(negativeLogLikelihood({ logits: Float64Array.of(0, Math.log(3)), numClasses: 2 }, [1]), Math.log(4 / 3));
    near(negativeLogLikelihood({ logits: Float64Array.of(1e4, 0), numClasses: 2 }, [1]), 1e4);
    assert.deepEqual([...predictedClasses({ logits: Float32Array.of(1, 1, 0, 2), numClasses: 2 })], [0, 1]);
  });
  it("are refused when not finite or of the wrong shape", () => {
    assert.throws(() => predictedClasses({ logits: Float32Array.of(1, NaN), numClasses: 2 }), {
      code: "NON_FINITE",
      message: /logit 1 of row 1/,
    });
    assert.throws(() => predictedClasses({ logits: Float32Array.of(1, 2, 3), numClasses: 2 }), {
      code: "DATA_INVALID",
    });
    assert.throws(() => negativeLogLikelihood({ logits: Float32Array.of(1, 2), numClasses: 2 }, [2]), {
      code: "DATA_INVALID",
    });
  });
  it("calibration error is the gap between confidence and accuracy", () => {
    near(
      expectedCalibrationError({ values: Float64Array.of(0.9, 0.9, 0.9, 0.9), correct: [true, true, false, false] }),
      0.4,
    );
    near(expectedCalibrationError({ values: Float64Array.of(1, 1), correct: [true, true] }), 0);
    near(expectedCalibrationError({ values: Float64Array.of(0.95, 0.55), correct: [true, true] }), (0.05 + 0.45) / 2);
  });
});

describe("fitTemperature", () => {
  it("finds the temperature that the labels were drawn with, and the least loss", () => {
    for (const temperature of [0.5, 1, 3]) {
      const { scores, labels } = drawn(4_000, 5, temperature);
      const fitted = fitTemperature(scores, labels);
      near(fitted / temperature, 1, 0.08);
      const loss = negativeLogLikelihood(scores, labels, fitted);
      for (const other of [0.99, 1.01]) assert.ok(negativeLogLikelihood(scores, labels, fitted * other) > loss);
      assert.equal(fitTemperature(scores, labels), fitted);
      assert.ok(expectedCalibrationError(confidences(scores, labels, fitted)) < 0.03);
    }
  });
  it("stops at the ends of its range", () => {
    assert.equal(
      fitTemperature({ logits: Float64Array.of(1, 0, 0, 1), numClasses: 2 }, [0, 1]),
      TEMPERATURE_RANGE.least,
    );
    assert.equal(
      fitTemperature({ logits: Float64Array.of(1, 0, 0, 1), numClasses: 2 }, [1, 0]),
      TEMPERATURE_RANGE.most,
    );
    assert.equal(fitTemperature({ logits: Float64Array.of(1, 1), numClasses: 2 }, [1]), TEMPERATURE_RANGE.most);
  });
});

describe("chooseThreshold", () => {
  it("answers as many rows as the target allows", () => {
    const scores = { values: Float64Array.of(0.9, 0.8, 0.7, 0.6, 0.5), correct: [true, true, false, true, false] };
    assert.deepEqual(chooseThreshold(scores, 0.75), { threshold: 0.6, coverage: 0.8, accuracy: 0.75 });
    assert.deepEqual(chooseThreshold(scores, 0.6), { threshold: 0, coverage: 1, accuracy: 0.6 });
    assert.deepEqual(chooseThreshold(scores, 0.9), { threshold: 0.8, coverage: 0.4, accuracy: 1 });
    assert.equal(chooseThreshold({ values: Float64Array.of(0.9), correct: [false] }, 0.5).coverage, 0);
    assert.equal(chooseThreshold({ values: Float64Array.of(0.9, 0.9), correct: [true, false] }, 0.9).coverage, 0);
  });
  it("reaches its target and no lower threshold does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.boolean()), { minLength: 1, maxLength: 40 }),
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        (rows, target) => {
          const values = Float64Array.from(rows, ([value]) => value / 20);
          const correct = rows.map(([, right]) => right);
          const at = (threshold: number): { answered: number; accuracy: number } => {
            const answered = correct.filter((_, row) => (values[row] as number) >= threshold);
            return {
              answered: answered.length,
              accuracy: answered.length === 0 ? 1 : answered.filter(Boolean).length / answered.length,
            };
          };
          const { threshold, coverage, accuracy: reached } = chooseThreshold({ values, correct }, target);
          assert.ok(at(threshold).accuracy >= target);
          near(at(threshold).answered / rows.length, coverage);
          near(at(threshold).accuracy, reached);
          for (const lower of values) if (lower < threshold) assert.ok(at(lower).accuracy < target);
        },
      ),
      { seed: 3 },
    );
  });
});
