/**
 * `train` for each thing that a version can be made for: published, it loads and answers, is calibrated where that has
 * a meaning, and remembers how good it was on what was held out and on a test table. @concurrent
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { list, loadModel, train, type TrainInput } from "../../src/edge/api/index.ts";
import type { VersionTask } from "../../src/work/infer/index.ts";
import { TABLE, TINY, tinyStore } from "../stress/tiny-store.ts";

const { pretrain: _pretrain, finetune: _finetune, ...SIZES } = TINY;
const QUESTION = "Where is my parcel?";

interface Trained {
  /** The table, and what its file is called; tiny.csv where there is none. */
  readonly table?: readonly [name: string, content: string];
  readonly input: Partial<TrainInput>;
  /** A test table. */
  readonly test: readonly [name: string, content: string];
  /** Names of figures that the version keeps: of the validation split, of the test table. */
  readonly keeps: readonly [validation: readonly string[], test: readonly string[]];
}

const LABELS = ["micro_f1", "macro_f1", "exact_match", "negative_log_likelihood", "expected_calibration_error"];
const SCORES = ["pearson", "spearman", "r2", "mean_absolute_error", "root_mean_squared_error", "absolute_error_90"];
const SPANS = ["entity_f1", "entity_precision", "entity_recall", "word_accuracy", "negative_log_likelihood"];
const TEXTS = ["negative_log_likelihood", "perplexity", "word_perplexity", "bits_per_byte"];

const CASES: { readonly [V in Exclude<VersionTask, "classify">]: Trained } = {
  "multi-label": {
    table: [
      "labels.csv",
      rows("text,labels", 400, (n) => `text number ${n} of ${n % 7},${n % 2 ? "odd" : "even"}|all`),
    ],
    input: { validation_fraction: 0.3 },
    test: ["test.csv", "text,labels\ntext number 9,odd|all\ntext number 8,even|all\n"],
    keeps: [LABELS, LABELS],
  },
  score: {
    table: ["scores.csv", rows("text,score", 60, (n) => `text number ${n},${n / 60}`)],
    input: {},
    test: ["test.csv", rows("text,score", 9, (n) => `text number ${n},${n / 10}`)],
    keeps: [SCORES, SCORES],
  },
  "token-classify": {
    table: [
      "tags.conll",
      Array.from({ length: 150 }, (_, n) => `in O\ncity${n % 9} B-place\nhall I-place\n`).join("\n"),
    ],
    input: {},
    test: ["test.conll", "at O\ncity3 B-place\n"],
    keeps: [
      [...SPANS, "expected_calibration_error"],
      [...SPANS, "expected_calibration_error"],
    ],
  },
  embed: {
    table: ["pairs.csv", rows("text,second", 60, (n) => `text number ${n},number ${n} is a text`)],
    input: {},
    test: ["test.csv", "text,second,score\na text,a text,5\na text,number 3,2\nnumber 4,number 5,3\n"],
    keeps: [[], ["spearman", "pearson"]],
  },
  "masked-lm": { input: { text: "question" }, test: ["test.txt", "Where is my card?\n"], keeps: [[], TEXTS] },
  "causal-lm": {
    input: {
      text: "question",
      model: { ...SIZES.model, model_type: "gpt2" },
      tokenizer: { vocab_size: 400, min_frequency: 1 },
    },
    test: ["test.txt", "Where is my card?\n"],
    keeps: [TEXTS, TEXTS],
  },
};

function rows(header: string, count: number, row: (n: number) => string): string {
  return [header, ...Array.from({ length: count }, (_, n) => row(n))].join("\n");
}

for (const [
  task,
  {
    table,
    input,
    test: [testName, testTable],
    keeps,
  },
] of Object.entries(CASES))
  test(`${task}: trained, measured, published, loaded`, async () => {
    await using tiny = await tinyStore([]);
    const put = (name: string, content: string): string => {
      writeFileSync(join(tiny.folder, name), content);
      return join(tiny.folder, name);
    };
    const data = table === undefined ? TABLE : put(...table);
    const asked = { ...SIZES, ...input, data, test: put(testName, testTable), task, phases: undefined } as TrainInput;
    const { version, figure, metrics } = await train(asked, { out: tiny.store, threads: 2 });
    assert.ok(task === "masked-lm" || Number.isFinite(figure?.value));
    const kept = ({ data_sha256: _, ...figures }: Readonly<Record<string, unknown>> = {}) => Object.keys(figures);
    const optional = ["entity_precision", "r2", "pearson", "spearman"]; // of a table so small, not always defined
    const always = (names: readonly string[]) => names.filter((name) => !optional.includes(name)).sort();
    assert.deepEqual(always(kept(metrics.validation)), always(keeps[0]));
    assert.deepEqual(always(kept(metrics.test)), always(keeps[1]));
    await using model = await loadModel(tiny.store, { threads: 1 });
    assert.deepEqual([model.version, model.info.task], [version, task]);
    if (task === "causal-lm")
      assert.match(
        readFileSync(join(tiny.store, "versions", version, "tokenizer.json"), "utf8"),
        /"type": "ByteLevel"/,
      );
    const [listed] = (await list(tiny.store)).versions;
    assert.deepEqual([listed?.name, listed?.problem], [version, undefined]);
    const { temperature, thresholds } = model.info.calibration;
    if (task === "multi-label") {
      assert.equal((await model.ask("multi-label", [QUESTION])).answers.length, 1);
      assert.equal(thresholds?.length, 3);
      assert.notEqual(temperature, 1);
    }
    if (task === "token-classify") assert.notEqual(temperature, 1);
    if (task === "embed") assert.equal((await model.ask("embed", [QUESTION])).answers.length, 1);
  });

test("a linear baseline is for classes, and is refused elsewhere", async () => {
  const input = { ...SIZES, data: TABLE, text: "question", task: "masked-lm", phases: undefined } as TrainInput;
  await assert.rejects(train(input, { baseline: true }), {
    code: "OPTION_INVALID",
    message: /no linear baseline for masked-lm/,
  });
});

test("instruction tuning: chats and instructions train the same, and the version carries the template", async () => {
  await using tiny = await tinyStore([]);
  const asked = (n: number) => ({ instruction: `where is parcel ${n}?`, output: `parcel ${n} is here` });
  const chat = ({ instruction, output }: ReturnType<typeof asked>) => ({
    messages: [
      { role: "user", content: instruction },
      { role: "assistant", content: output },
    ],
  });
  const table = (name: string, row: (n: number) => object): string => {
    const path = join(tiny.folder, name);
    writeFileSync(path, Array.from({ length: 60 }, (_, n) => `${JSON.stringify(row(n))}\n`).join(""));
    return path;
  };
  const input: TrainInput = {
    ...SIZES,
    max_tokens: 96,
    model: { ...SIZES.model, model_type: "llama" },
    tokenizer: { vocab_size: 400, min_frequency: 1 },
    phases: [{ objective: "instruction-tuning", epochs: 1, batch_size: 16, shards: 2 }],
    data: table("asked.jsonl", asked),
  };
  const first = await train(input, { out: tiny.store, threads: 2 });
  const second = await train(
    { ...input, data: table("chats.jsonl", (n) => chat(asked(n))) },
    { out: tiny.store, threads: 1 },
  );
  assert.equal(first.stateSha256, second.stateSha256);
  assert.ok(first.figure!.further!["perplexity"]! > 1);
  assert.match(readFileSync(join(first.folder, "tokenizer_config.json"), "utf8"), /"chat_template": .*### Assistant/s);
  await assert.rejects(train({ ...input, model: SIZES.model }, { out: tiny.store }), {
    code: "MODEL_INVALID",
    message: /the family BERT has no head "causal-lm"; those that have one are gpt2, llama/,
  });
});
