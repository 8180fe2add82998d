import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { seedFrom } from "../../src/base/index.ts";
import { labelIds, labelSpace, readTable } from "../../src/language/data/index.ts";
import { accuracy, runLinearBaseline, trainLinearBaseline } from "../../src/work/evaluate/index.ts";
import { TfIdf } from "../../src/work/evaluate/features.ts";
import { trainOneClass } from "../../src/work/evaluate/linear-svm.ts";

const seed = seedFrom(1);
const read = (name: string): ReturnType<typeof readTable> =>
  readTable(fileURLToPath(new URL(`../../examples/banking77/${name}.csv`, import.meta.url)));

describe("TF-IDF", () => {
  it("weighs as scikit-learn's TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))", () => {
    const tfIdf = new TfIdf(["card card lost", "card found"]);
    assert.equal(tfIdf.columns, 6); // card, card card, lost, card lost, found, card found
    const { starts, columns, values } = tfIdf.rows;
    assert.deepEqual([...starts], [0, 4, 7]);
    const rare = 1 + Math.log(3 / 2);
    const card = 1 + Math.log(2);
    const norm = Math.hypot(card, rare, rare, rare);
    assert.ok(Math.abs((values[0] as number) - card / norm) < 1e-12);
    assert.deepEqual([...columns.subarray(0, 4)], [0, 1, 2, 3]);
    assert.equal(tfIdf.transform(["nothing known"]).columns.length, 0);
  });
});

describe("the support vector machine", () => {
  it("reaches the optimum: the gradient of the primal objective vanishes", () => {
    const { rows, columns } = new TfIdf(["red apple", "red car", "green apple", "blue car", "green tree", "fast car"]);
    const labels = [0, 1, 0, 1, 0, 1];
    const weights = trainOneClass(rows, labels, 1, columns, { seed, tolerance: 1e-8, maxPasses: 100_000 });
    // w = 2 C sum over margin violations of (1 - y w.x) y x
    const gradient = Float64Array.from(weights);
    labels.forEach((label, i) => {
      const sign = label === 1 ? 1 : -1;
      let score = weights[columns] as number;
      for (let k = rows.starts[i] as number; k < (rows.starts[i + 1] as number); k++)
        score += (weights[rows.columns[k] as number] as number) * (rows.values[k] as number);
      const slack = Math.max(0, 1 - sign * score);
      for (let k = rows.starts[i] as number; k < (rows.starts[i + 1] as number); k++)
        gradient[rows.columns[k] as number] =
          (gradient[rows.columns[k] as number] as number) - 2 * slack * sign * (rows.values[k] as number);
      gradient[columns] = (gradient[columns] as number) - 2 * slack * sign;
    });
    for (const value of gradient) assert.ok(Math.abs(value) < 1e-6, `${value}`);
  });
});

describe("the baseline", () => {
  it("tells six intents of BANKING77 apart, the same again and in a worker", async () => {
    const [train, test] = [await read("train"), await read("test")];
    const { names } = labelSpace(train.labels ?? []);
    const few = new Set(names.slice(0, 6));
    const pick = (table: typeof train): { texts: string[]; ids: Int32Array } => {
      const kept = table.texts.flatMap((_, row) => (few.has(table.labels?.[row] as string) ? [row] : []));
      return {
        texts: kept.map((row) => table.texts[row] as string),
        ids: labelIds(
          kept.map((row) => table.labels?.[row] as string),
          names,
        ),
      };
    };
    const [a, b] = [pick(train), pick(test)];
    const baseline = await trainLinearBaseline(a.texts, a.ids, 6, { seed });
    const predicted = baseline.predict(b.texts);
    assert.ok(accuracy(predicted, b.ids).value > 0.93, `${accuracy(predicted, b.ids).value}`);
    assert.deepEqual(
      await runLinearBaseline({ texts: a.texts, labels: a.ids, numClasses: 6, seed, predict: b.texts }),
      predicted,
    );
    assert.equal(baseline.predict([""]).length, 1);
  });

  it("refuses what it cannot learn from, and can be cancelled", async () => {
    await assert.rejects(trainLinearBaseline([], [], 2, { seed }), { code: "DATA_INVALID" });
    await assert.rejects(
      runLinearBaseline({ texts: ["a"], labels: Int32Array.of(), numClasses: 2, seed, predict: [] }),
      { code: "DATA_INVALID" },
    );
    await assert.rejects(trainLinearBaseline(["a", "b"], [0, 1], 2, { seed, signal: AbortSignal.abort() }), {
      code: "CANCELLED",
    });
    await assert.rejects(
      runLinearBaseline(
        { texts: ["a"], labels: Int32Array.of(0), numClasses: 2, seed, predict: [] },
        { signal: AbortSignal.abort() },
      ),
      { code: "CANCELLED" },
    );
  });
});
