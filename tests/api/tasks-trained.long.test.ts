/** `train` for each task that is not measured on a table: a version is published, loads, and answers. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadModel, train, type TrainInput } from "../../src/edge/api/index.ts";
import { TABLE, TINY, tinyStore } from "../stress/tiny-store.ts";

const { pretrain: _pretrain, finetune: _finetune, ...SIZES } = TINY;
const QUESTION = "Where is my parcel?";

const CASES: Readonly<Record<string, { readonly table?: string; readonly input: Partial<TrainInput> }>> = {
  "multi-label": { input: { columns: { labels: "intent" }, text: "question" } },
  score: { table: rows("text,score", (n) => `text number ${n},${n / 60}`), input: {} },
  embed: { table: rows("text,second", (n) => `text number ${n},number ${n} is a text`), input: {} },
  "masked-lm": { input: { text: "question" } },
  "causal-lm": {
    input: {
      text: "question",
      model: { ...SIZES.model, model_type: "gpt2" },
      tokenizer: { vocab_size: 400, min_frequency: 1 },
    },
  },
};

function rows(header: string, row: (n: number) => string): string {
  return [header, ...Array.from({ length: 60 }, (_, n) => row(n))].join("\n");
}

for (const [task, { table, input }] of Object.entries(CASES))
  test(`${task}: trained, published, loaded`, async () => {
    await using tiny = await tinyStore([]);
    const data = table === undefined ? TABLE : join(tiny.folder, "table.csv");
    if (table !== undefined) writeFileSync(data, table);
    const asked = { ...SIZES, ...input, data, task, phases: undefined } as TrainInput;
    const { version, figure } = await train(asked, { out: tiny.store, threads: 2 });
    assert.ok(task === "masked-lm" || Number.isFinite(figure?.value));
    await using model = await loadModel(tiny.store, { threads: 1 });
    assert.deepEqual([model.version, model.info.task], [version, task]);
    if (task === "causal-lm")
      assert.match(
        readFileSync(join(tiny.store, "versions", version, "tokenizer.json"), "utf8"),
        /"type": "ByteLevel"/,
      );
    if (task === "multi-label") assert.equal((await model.ask("multi-label", [QUESTION])).answers.length, 1);
    if (task === "embed") assert.equal((await model.ask("embed", [QUESTION])).answers.length, 1);
  });
