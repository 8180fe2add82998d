/** Figures of each task beside scikit-learn, SciPy and seqeval, and what must hold of them whatever the answers are. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  bestThreshold,
  calibrationFrom,
  discountedGain,
  estimates,
  figuresOf,
  firstIsRelevant,
  mean,
  pearson,
  reciprocalRank,
  spearman,
  type RowOf,
} from "../../src/work/evaluate/index.ts";
import type { TaskFacts } from "../../src/work/tasks/index.ts";

const near = (actual: number | undefined, expected: number, tolerance = 1e-9): void =>
  assert.ok(actual !== undefined && Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

interface Reference {
  readonly scores: readonly {
    readonly predicted: readonly number[];
    readonly expected: readonly number[];
    readonly pearson: number;
    readonly spearman: number;
    readonly mae: number;
    readonly rmse: number;
    readonly r2: number;
  }[];
  readonly classes: Classes & { readonly accuracy: number; readonly expected: readonly number[] };
  readonly labels: Classes & {
    readonly expected: readonly (readonly number[])[];
    readonly threshold: number;
    readonly micro_f1: number;
    readonly micro_precision: number;
    readonly micro_recall: number;
    readonly exact_match: number;
    readonly hamming_loss: number;
  };
  readonly rankings: readonly {
    readonly scores: readonly number[];
    readonly relevance: readonly number[];
    readonly ndcg: number;
    readonly ndcg_at_3: number;
    readonly ndcg_at_10?: number;
    readonly mrr?: number;
    readonly first?: number;
  }[];
  readonly entities: {
    readonly tags: readonly string[];
    readonly expected: readonly (readonly string[])[];
    readonly given: readonly (readonly string[])[];
    readonly f1: number;
    readonly precision: number;
    readonly recall: number;
    readonly macro_f1: number;
    readonly by_kind: Readonly<Record<string, readonly number[]>>;
  };
}
interface Classes {
  readonly logits: readonly (readonly number[])[];
  readonly temperature: number;
  readonly macro_f1: number;
  readonly log_loss: number;
  /** Precision, recall, F1 and support, of each class. */
  readonly by_class: readonly (readonly number[])[];
}

const REFERENCE = JSON.parse(
  readFileSync(new URL("../fixtures/metrics/reference.json", import.meta.url), "utf8"),
) as Reference;

/** All of a version that figures are made with. */
function facts(labels: readonly string[], calibration = { temperature: 1, threshold: 0 }): TaskFacts {
  return { labels, calibration } as unknown as TaskFacts;
}
const NONE = { confusions: 5 };

function sameByClass(
  actual: readonly {
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    readonly support: number;
  }[],
  [precision, recall, f1, support]: readonly (readonly number[])[],
): void {
  actual.forEach((one, id) => {
    near(one.precision, precision![id]!);
    near(one.recall, recall![id]!);
    near(one.f1, f1![id]!);
    assert.equal(one.support, support![id]);
  });
}

const rows = (predicted: readonly number[], expected: readonly number[]): RowOf<"score">[] =>
  expected.map((value, row) => ({ predicted: predicted[row]!, expected: value, truncated: false }));

describe("beside the field's own libraries", () => {
  it("scores: errors, R squared, and correlations with ties", () => {
    for (const { predicted, expected, ...right } of REFERENCE.scores) {
      const figures = figuresOf("score", rows(predicted, expected), facts([]), NONE);
      near(figures.pearson?.value, right.pearson);
      near(figures.spearman?.value, right.spearman);
      near(figures.meanAbsoluteError.value, right.mae);
      near(figures.rootMeanSquaredError.value, right.rmse);
      near(figures.r2?.value, right.r2);
      const similar = figuresOf("similarity", rows(predicted, expected), facts([]), NONE);
      assert.deepEqual([similar.spearman, similar.pearson], [figures.spearman, figures.pearson]);
    }
  });
  it("classes", () => {
    const { logits, expected, temperature, ...right } = REFERENCE.classes;
    const answers = logits.map((row, index) => ({
      logits: Float32Array.from(row),
      expected: expected[index]!,
      truncated: index === 0,
    }));
    const names = ["a", "b", "c", "d", "e"];
    const figures = figuresOf("classify", answers, facts(names, { temperature, threshold: 0 }), NONE);
    near(figures.accuracy.value, right.accuracy);
    near(figures.macroF1.value, right.macro_f1);
    near(figures.negativeLogLikelihood.value, right.log_loss, 1e-7);
    sameByClass(figures.classes, right.by_class);
    assert.equal(figures.truncated, 1);
  });
  it("several labels", () => {
    const { logits, expected, temperature, threshold, ...right } = REFERENCE.labels;
    const answers = logits.map((row, index) => ({
      logits: Float32Array.from(row),
      expected: Uint8Array.from(expected[index]!),
      truncated: false,
    }));
    const figures = figuresOf("multi-label", answers, facts(["a", "b", "c", "d"], { temperature, threshold }), NONE);
    near(figures.microF1?.value, right.micro_f1);
    near(figures.microPrecision?.value, right.micro_precision);
    near(figures.microRecall?.value, right.micro_recall);
    near(figures.macroF1?.value, right.macro_f1);
    near(figures.exactMatch.value, right.exact_match);
    near(figures.hammingLoss.value, right.hamming_loss);
    near(figures.negativeLogLikelihood.value, right.log_loss, 1e-7);
    sameByClass(figures.classes, right.by_class);
  });
  it("rankings, where equal scores stand in every order alike", () => {
    for (const { scores, relevance, ...right } of REFERENCE.rankings) {
      near(discountedGain(scores, relevance), right.ndcg);
      near(discountedGain(scores, relevance, 3), right.ndcg_at_3);
      if (right.ndcg_at_10 !== undefined) near(discountedGain(scores, relevance, 10), right.ndcg_at_10);
      if (right.mrr !== undefined) near(reciprocalRank(scores, relevance), right.mrr);
      if (right.first !== undefined) near(firstIsRelevant(scores, relevance), right.first);
    }
  });
  it("entities, also of tags that do not fit together", () => {
    const { tags, expected, given, ...right } = REFERENCE.entities;
    const answers = expected.map((sentence, row) => ({
      expected: sentence.map((tag) => tags.indexOf(tag)),
      read: [...sentence.keys()],
      logits: Float32Array.from(given[row]!.flatMap((tag) => tags.map((one) => (one === tag ? 3 : 0)))),
      truncated: false,
    }));
    const figures = figuresOf("token-classify", answers, facts(tags), NONE);
    near(figures.entityF1?.value, right.f1);
    near(figures.entityPrecision?.value, right.precision);
    near(figures.entityRecall?.value, right.recall);
    near(figures.macroF1?.value, right.macro_f1);
    assert.deepEqual(
      figures.classes.map(({ label }) => label),
      Object.keys(right.by_kind),
    );
    sameByClass(
      figures.classes,
      [0, 1, 2, 3].map((at) => Object.values(right.by_kind).map((kind) => kind[at]!)),
    );
    // words that were not read count as outside
    const cut = answers.map((one) => ({ ...one, read: [], logits: new Float32Array(0), truncated: true }));
    const unread = figuresOf("token-classify", cut, facts(tags), NONE);
    assert.deepEqual([unread.entityRecall?.value, unread.expectedCalibrationError], [0, null]);
    assert.equal(unread.unreadWords, expected.flat().length);
  });
});

describe("intervals by the bootstrap", () => {
  it("hold the truth about 19 times in 20", () => {
    // forty samples of 200 from a known distribution, each a lattice shifted by another amount
    let held = 0;
    for (let sample = 0; sample < 200; sample++) {
      const values = Float64Array.from({ length: 60 }, (_, i) => hashed(sample * 60 + i));
      const { figure } = estimates(60, { figure: mean(values) }, 200);
      if (figure!.low <= 0.5 && 0.5 <= figure!.high) held++;
    }
    assert.ok(held >= 176 && held <= 199, `${held} of 200`); // 0.95 ± 3.5 standard errors
  });
  it("are the same again, hold the figure, and shrink with more rows", () => {
    const of = (n: number) => {
      const values = Float64Array.from({ length: n }, (_, i) => hashed(i));
      return estimates(n, { figure: mean(values) }, 400).figure!;
    };
    assert.deepEqual(of(50), of(50));
    const [few, many] = [of(50), of(800)];
    assert.ok(few.low < few.value && few.value < few.high);
    assert.ok(many.high - many.low < (few.high - few.low) / 2);
  });
  it("are null where the rows define no figure, never a silent zero", () => {
    assert.deepEqual(estimates(3, { r: pearson([1, 2, 3], [4, 4, 4]), rho: spearman([5, 5, 5], [1, 2, 3]) }), {
      r: null,
      rho: null,
    });
    const one = figuresOf("score", rows([1], [2]), facts([]), NONE);
    assert.deepEqual([one.pearson, one.r2, one.meanAbsoluteError], [null, null, { value: 1, low: 1, high: 1 }]);
    const nothing = { logits: Float32Array.of(-9), expected: Uint8Array.of(0), truncated: false };
    assert.equal(
      figuresOf("multi-label", [nothing], facts(["a"], { temperature: 1, threshold: 0.5 }), NONE).microF1,
      null,
    );
    const unjudged = { scores: [1, 2], relevance: [0, 0], truncated: false };
    const { mrr, queries, withoutRelevant } = figuresOf("rerank", [unjudged], facts([]), NONE);
    assert.deepEqual([mrr, queries, withoutRelevant], [null, 0, 1]);
    assert.throws(() => figuresOf("score", [], facts([]), NONE), { code: "DATA_INVALID" });
  });
});

/** In [0, 1), well mixed. */
function hashed(i: number): number {
  let x = Math.imul(i ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 16), 0x27d4eb2f);
  return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
}

describe("whatever the answers are", () => {
  const numbers = fc.array(fc.tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 })), {
    minLength: 2,
    maxLength: 30,
  });
  it("a rank correlation sees only the order, and is 1 of a list with itself", () => {
    fc.assert(
      fc.property(numbers, (pairs) => {
        const [x, y] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
        const counts = new Int32Array(x.length).fill(1);
        const rho = spearman(x, y)(counts);
        const stretched = spearman(
          x.map((value) => value ** 3 + 7),
          y,
        )(counts);
        assert.ok(Object.is(rho, stretched) || Math.abs(rho - stretched) < 1e-12);
        if (new Set(x).size > 1) near(spearman(x, x)(counts), 1, 1e-12);
        // rows that count twice are rows that are there twice
        near(
          spearman(x, y)(new Int32Array(x.length).fill(2)) || 0,
          spearman([...x, ...x], [...y, ...y])(new Int32Array(2 * x.length).fill(1)) || 0,
          1e-12,
        );
      }),
      { seed: 5 },
    );
  });
  it("rankings: the best order has 1, none does better, and order within equal scores is nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 })), {
          minLength: 1,
          maxLength: 9,
        }),
        (documents) => {
          const [scores, relevance] = [documents.map(([score]) => score), documents.map(([, one]) => one)];
          const isJudged = relevance.some((one) => one > 0);
          near(discountedGain(relevance, relevance), isJudged ? 1 : 0, 1e-12);
          near(reciprocalRank(relevance, relevance), isJudged ? 1 : 0, 1e-12);
          const gain = discountedGain(scores, relevance);
          assert.ok(gain >= 0 && gain <= 1 + 1e-12);
          const [s, r] = [scores.toReversed(), relevance.toReversed()];
          near(discountedGain(s, r), gain, 1e-12);
          near(reciprocalRank(s, r), reciprocalRank(scores, relevance), 1e-12);
        },
      ),
      { seed: 6 },
    );
  });
  it("no threshold gives a label a better F1 than the one chosen", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean()), { minLength: 1, maxLength: 20 }),
        (all) => {
          const decisions = all.map(([p, wanted]) => ({ p: p / 10, wanted }));
          const f1 = (threshold: number): number => {
            const given = decisions.filter(({ p }) => p >= threshold);
            const right = given.filter(({ wanted }) => wanted).length;
            return (2 * right) / (given.length + decisions.filter(({ wanted }) => wanted).length);
          };
          const chosen = bestThreshold(decisions);
          if (!decisions.some(({ wanted }) => wanted)) return assert.equal(chosen, undefined);
          for (let threshold = 0; threshold <= 1; threshold += 0.05) assert.ok(f1(threshold) <= f1(chosen!) + 1e-12);
        },
      ),
      { seed: 7 },
    );
  });
});

describe("calibration from held-out rows", () => {
  const warnings: string[] = [];
  const options = { targetAccuracy: null, warn: (message: string) => warnings.push(message) };

  it("several labels: temperature, and thresholds where a label has enough texts", () => {
    // the first label is twice as sure as it should be and rarely given below 0.7; the second has three texts
    const answers = Array.from({ length: 200 }, (_, i) => {
      const z = 8 * hashed(i) - 4;
      return {
        logits: Float32Array.of(2 * z, -3),
        expected: Uint8Array.of(hashed(1000 + i) < 1 / (1 + Math.exp(-z)) ? 1 : 0, i < 3 ? 1 : 0),
        truncated: false,
      };
    });
    const calibration = calibrationFrom("multi-label", answers, facts(["a", "b"]), options)!;
    assert.ok(calibration.temperature > 1.3, `${calibration.temperature}`);
    assert.equal(calibration.thresholds!.length, 2);
    assert.equal(calibration.thresholds![1], calibration.threshold, "three texts are too few for one of its own");
    const f1 = (one: typeof calibration): number =>
      figuresOf("multi-label", answers, facts(["a", "b"], one), NONE).microF1!.value;
    const { thresholds: _, ...common } = calibration;
    assert.ok(f1(common) >= f1({ ...common, threshold: 0.5 }));
    const few = answers.slice(0, 49);
    assert.deepEqual(calibrationFrom("multi-label", few, facts(["a", "b"]), options), {
      temperature: 1,
      threshold: 0.5,
    });
    assert.match(warnings.at(-1)!, /49 texts were held out, and 50 are needed/);
  });
  it("tags of words: a temperature; scores: none", () => {
    const logits = Float32Array.from({ length: 120 }, (_, i) => (i % 2 === 0 ? 4 : 0));
    const expected = Array.from({ length: 60 }, (_, i) => (i % 4 === 0 ? 1 : 0)); // right three times in four
    const sentence = { expected, read: [...expected.keys()], logits, truncated: false };
    const { temperature } = calibrationFrom("token-classify", [sentence], facts(["O", "B-x"]), options)!;
    near(1 / (1 + Math.exp(-4 / temperature)), 0.75, 1e-6);
    assert.equal(calibrationFrom("score", rows([1], [1]), facts([]), options), undefined);
  });
});
