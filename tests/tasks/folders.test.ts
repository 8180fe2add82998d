/** What a folder was made for: by lockstep.json, or of somebody else's by its class, and what is refused by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { readVersion, readVersionInfo } from "../../src/work/infer/index.ts";
import { mainTask, TASK_NAMES, TASKS } from "../../src/work/tasks/index.ts";
import { filesOf, TAGS, VERSION_TASKS, WORDS } from "./versions.ts";

const TEXT = new TextEncoder();
const refused =
  (words: RegExp) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === "MODEL_INVALID" && words.test(error.message);

test("a version is what its lockstep.json says, and the same folder without it is what its class says", () => {
  for (const task of VERSION_TASKS) {
    const own = readVersion(filesOf(task));
    const foreign = readVersion(filesOf(task, { foreign: true }));
    assert.deepEqual([own.task, foreign.task], [task, task]);
    assert.deepEqual([foreign.head, foreign.labels], [own.head, own.labels]);
    assert.deepEqual(foreign.weights, own.weights);
    const asked = { "masked-lm": "fill-mask", "causal-lm": "perplexity" } as Readonly<Record<string, string>>;
    assert.equal(mainTask(own), asked[task] ?? task, "what it is asked where nothing is said");
  }
  assert.deepEqual(readVersionInfo(filesOf("multi-label", { foreign: true })).labels, WORDS);
  assert.deepEqual(readVersionInfo(filesOf("token-classify", { foreign: true })).labels, TAGS);
});

test("every kind of version has answers to something, and a version of one kind not to everything", () => {
  for (const task of VERSION_TASKS) {
    const info = readVersionInfo(filesOf(task));
    const able = TASK_NAMES.filter((name) => TASKS[name].refusal(info) === undefined);
    assert.ok(able.length >= 1 && able.length <= 2, `${task}: ${able.join()}`);
  }
});

test("one output is a score: through the logistic function, unless the file says otherwise", () => {
  const activation = (config: object) => readVersionInfo(filesOf("score", { foreign: true, config })).activation;
  assert.equal(activation({}), "sigmoid");
  assert.equal(activation({ problem_type: "regression" }), "identity");
  const identity = "torch.nn.modules.linear.Identity";
  assert.equal(activation({ sbert_ce_default_activation_function: identity }), "identity");
  assert.equal(activation({ sentence_transformers: { activation_fn: identity } }), "identity");
  assert.throws(
    () => activation({ sentence_transformers: { activation_fn: "torch.nn.Tanh" } }),
    refused(/"torch.nn.Tanh" is not followed/),
  );
});

test("a folder of sentence-transformers: its modules are followed, or refused by name", () => {
  const embedder = (beside: Readonly<Record<string, unknown>>) => {
    const files = filesOf("embed", { foreign: true });
    for (const [name, json] of Object.entries(beside)) files.set(name, TEXT.encode(JSON.stringify(json)));
    return readVersionInfo(files);
  };
  const modules = (...names: readonly string[]) =>
    names.map((name, idx) => ({ idx, name: String(idx), path: "", type: `sentence_transformers.models.${name}` }));
  const plain = { "modules.json": modules("Transformer", "Pooling") };
  assert.deepEqual([embedder(plain).normalize, embedder(plain).maxTokens], [false, 32]);
  const whole = embedder({
    "modules.json": modules("Transformer", "Pooling", "Normalize"),
    "sentence_bert_config.json": { max_seq_length: 16, do_lower_case: false },
    "1_Pooling/config.json": { word_embedding_dimension: 16, pooling_mode_lasttoken: true },
    "config_sentence_transformers.json": { __version__: {}, prompts: {}, default_prompt_name: null },
  });
  assert.deepEqual([whole.normalize, whole.maxTokens, whole.head], [true, 16, { kind: "encoder", pooling: "last" }]);
  for (const [beside, words] of [
    [{ "modules.json": modules("Transformer", "Pooling", "Dense") }, /the module "sentence_transformers.models.Dense"/],
    [{ "modules.json": modules("Transformer", "Normalize", "Pooling") }, /the order Transformer, Normalize, Pooling/],
    [{ "modules.json": 7 }, /the module 7/],
    [{ ...plain, "config_sentence_transformers.json": { default_prompt_name: "query" } }, /"default_prompt_name"/],
    [{ ...plain, "config_sentence_transformers.json": { similarity_fn_name: "euclidean" } }, /"similarity_fn_name"/],
    [{ ...plain, "1_Pooling/config.json": { pooling_mode: "max" } }, /"pooling_mode" "max"/],
  ] as const)
    assert.throws(() => embedder(beside), refused(words), JSON.stringify(beside));
});
