/** The linear baseline on the whole of banking77. @concurrent */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { seedFrom } from "../../src/base/index.ts";
import { labelIds, labelSpace, readTable } from "../../src/language/data/index.ts";
import { accuracy, macroF1, runLinearBaseline } from "../../src/work/evaluate/index.ts";

it("the linear baseline reaches 88 % on BANKING77's test texts", async (context) => {
  const [train, test] = await Promise.all(
    ["train", "test"].map((name) =>
      readTable(fileURLToPath(new URL(`../../examples/banking77/${name}.csv`, import.meta.url))),
    ),
  );
  assert.ok(train !== undefined && test !== undefined);
  const { names, ids } = labelSpace(train.labels ?? []);
  const expected = labelIds(test.labels ?? [], names, test);
  const started = performance.now();
  const predicted = await runLinearBaseline({
    texts: train.texts,
    labels: ids,
    numClasses: names.length,
    seed: seedFrom(1),
    predict: test.texts,
  });
  const result = accuracy(predicted, expected);
  context.diagnostic(
    `${(100 * result.value).toFixed(2)} %, macro-F1 ${macroF1(predicted, expected, names.length).toFixed(4)}, ` +
      `${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
  assert.ok(result.value >= 0.88, `${result.value}`);
});
