/** `config.json`: what is read, what is refused and how it says so, and that what is written is read back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { classifierLabels, formatModelConfig, parseModelConfig } from "../../src/language/models/index.ts";
import { bertConfig } from "./bert-config.ts";

const SIZES = {
  vocab_size: 50,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 12,
  type_vocab_size: 2,
};
const GOOD = { model_type: "bert", ...SIZES };

function refused(json: unknown, read: (json: unknown) => unknown = parseModelConfig) {
  try {
    read(json);
  } catch (thrown) {
    if (isLockstepError(thrown) && thrown.code === "MODEL_INVALID")
      return { message: thrown.message, field: thrown.details["field"] };
    throw thrown;
  }
  return assert.fail(`not refused: ${JSON.stringify(json)}`);
}

describe("config.json", () => {
  test("the sizes are enough; the rest has the defaults of transformers", () => {
    assert.deepEqual(parseModelConfig(GOOD), {
      config: {
        ...GOOD,
        layer_norm_eps: 1e-12,
        initializer_range: 0.02,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        classifier_dropout: 0.1,
        pad_token_id: 0,
      },
      labels: undefined,
      architecture: undefined,
      problemType: undefined,
      numLabels: undefined,
      activation: undefined,
    });
  });

  test("sizes that are left out are those of the family", () => {
    const config = bertConfig({});
    assert.deepEqual(
      [config.vocab_size, config.hidden_size, config.num_hidden_layers, config.num_attention_heads],
      [30_522, 768, 12, 12],
    );
    assert.deepEqual(
      [config.intermediate_size, config.max_position_embeddings, config.type_vocab_size],
      [3072, 512, 2],
    );
  });

  test("the classifier's dropout is the hidden one unless it has its own; harmless fields are passed over", () => {
    const dropout = (extra: object) => bertConfig({ ...SIZES, ...extra }).classifier_dropout;
    assert.deepEqual(
      [
        dropout({ hidden_dropout_prob: 0.3 }),
        dropout({ hidden_dropout_prob: 0.3, classifier_dropout: null }),
        dropout({ classifier_dropout: 0 }),
        dropout({ torch_dtype: "float32", use_cache: true }),
      ],
      [0.3, 0.3, 0, 0.1],
    );
  });

  for (const field of Object.keys(SIZES)) {
    test(`"${field}" must be whole, positive and of a size that can be`, () => {
      for (const value of [null, 0, -1, 1.5, "16", 1e12, NaN])
        assert.equal(refused({ ...GOOD, [field]: value }).field, field, String(value));
    });
  }

  test("what is not a BERT encoder as it is built here is refused by name", () => {
    const cases: readonly (readonly [string, unknown])[] = [
      ["model_type", "deberta-v2"],
      ["model_type", undefined],
      ["model_type", ["bert"]],
      ["is_encoder_decoder", true],
      ["add_cross_attention", true],
      ["pruned_heads", { 0: [1] }],
      ["function_to_apply", "sigmoid"],
      ["tokenizer_class", "BertJapaneseTokenizer"],
      ["quantization_config", { bits: 4 }],
      ["auto_map", { AutoModel: "modeling.BertModel" }],
      ["emb_size", 8],
      ["some_new_field", false],
      ["__proto__x", 1],
      ["hidden_act", "relu"],
      ["hidden_act", "gelu_new"],
      ["position_embedding_type", "relative_key"],
      ["is_decoder", true],
      ["hidden_dropout_prob", 1],
      ["attention_probs_dropout_prob", -0.1],
      ["layer_norm_eps", 0],
      ["initializer_range", 0],
      ["pad_token_id", -2],
    ];
    for (const [field, value] of cases) {
      const { message, field: named } = refused({ ...GOOD, [field]: value });
      assert.equal(named, field);
      assert.ok(message.includes(`"${field}"`) && message.startsWith("config.json"), message);
    }
    for (const json of [null, [], "bert", 3]) refused(json);
    refused(JSON.parse(`{"model_type":"bert","__proto__":{"hidden_size":16}}`));
    const { message } = refused({ model_type: "modernbert" });
    assert.ok(message.includes('"modernbert"') && message.includes('reads "bert"'), "what was found and what is known");
  });

  test("a decoder of its own would guess other words; a classifier has none", () => {
    const untied = { ...GOOD, tie_word_embeddings: false };
    assert.equal(refused({ ...untied, architectures: ["BertForMaskedLM"] }).field, "tie_word_embeddings");
    assert.deepEqual(
      parseModelConfig({ ...untied, architectures: ["BertForSequenceClassification"] }).config,
      bertConfig(SIZES),
    );
  });

  test("null is the same as no field, but for a size", () => {
    const names = [
      "architectures",
      "id2label",
      "num_labels",
      "problem_type",
      "position_embedding_type",
      "pruned_heads",
    ];
    const more = [
      "layer_norm_eps",
      "hidden_dropout_prob",
      "pad_token_id",
      "hidden_act",
      "is_decoder",
      "never_heard_of",
    ];
    const nulls = Object.fromEntries([...names, ...more].map((name) => [name, null]));
    assert.deepEqual(parseModelConfig({ ...GOOD, ...nulls }), parseModelConfig(GOOD));
  });

  // What published folders have beside the sizes, by kind of folder.
  const published: readonly (readonly [string, object])[] = [
    [
      "an English encoder of 2018",
      { architectures: ["BertForMaskedLM"], gradient_checkpointing: false, pad_token_id: 0, use_cache: true },
    ],
    [
      "a multilingual one from TensorFlow",
      {
        directionality: "bidi",
        pooler_fc_size: 768,
        pooler_num_attention_heads: 12,
        pooler_num_fc_layers: 3,
        pooler_size_per_head: 128,
        pooler_type: "first_token_transform",
        output_past: true,
      },
    ],
    [
      "a sentence encoder with one default label",
      {
        _name_or_path: "/root/.cache/model/",
        architectures: ["BertModel"],
        classifier_dropout: null,
        id2label: { 0: "LABEL_0" },
        label2id: { LABEL_0: 0 },
        position_embedding_type: "absolute",
        torch_dtype: "float32",
        transformers_version: "4.30.0",
      },
    ],
    ["a multilingual one with another tokenizer", { tokenizer_class: "XLMRobertaTokenizer", use_cache: true }],
    ["a distilled one", { cell: {}, emb_size: 16, pre_trained: "", structure: [], training: "" }],
    [
      "a classifier of 2019, with every default of its time",
      {
        _num_labels: 2,
        bos_token_id: 0,
        do_sample: false,
        eos_token_ids: 0,
        finetuning_task: "sst-2",
        is_decoder: false,
        length_penalty: 1,
        max_length: 20,
        num_beams: 1,
        num_labels: 2,
        num_return_sequences: 1,
        output_attentions: false,
        output_hidden_states: false,
        pruned_heads: {},
        repetition_penalty: 1,
        temperature: 1,
        top_k: 50,
        top_p: 1,
        torchscript: false,
        use_bfloat16: false,
        xla_device: true,
      },
    ],
    [
      "one of 2026",
      {
        add_cross_attention: false,
        bos_token_id: null,
        dtype: "float32",
        eos_token_id: null,
        is_decoder: false,
        tie_word_embeddings: true,
        "transformers.js_config": { dtype: "q8" },
      },
    ],
    [
      "a reranker of two outputs",
      { sentence_transformers: { activation_fn: "torch.nn.modules.linear.Identity" }, language: "en", name: "Bert" },
    ],
  ];
  for (const [name, fields] of published)
    test(`as published: ${name}`, () => {
      assert.deepEqual(parseModelConfig({ ...GOOD, ...fields }).config, parseModelConfig(GOOD).config);
    });

  test("heads must divide the width", () => {
    assert.match(
      refused({ ...GOOD, num_attention_heads: 3 }).message,
      /"hidden_size": 16 is not a multiple of "num_attention_heads" 3/,
    );
  });

  test("labels are by id, whatever the order of the keys, and none may be missing", () => {
    assert.deepEqual(parseModelConfig({ ...GOOD, id2label: { 1: "b", 0: "a", 2: "__proto__" } }).labels, [
      "a",
      "b",
      "__proto__",
    ]);
    assert.match(refused({ ...GOOD, id2label: { 0: "a", 2: "c" } }).message, /none for 1/);
    assert.deepEqual(parseModelConfig({ ...GOOD, id2label: { 0: 7, 1: "8" } }).labels, ["7", "8"], "numbers as text");
    assert.equal(refused({ ...GOOD, id2label: { 0: false } }).field, "id2label.0");
    for (const twice of [
      { 0: "x", 1: "x" },
      { 0: 1, 1: "1" },
    ])
      assert.match(refused({ ...GOOD, id2label: twice }).message, /"id2label": 0 and 1 are both/);
    const many = Object.fromEntries(Array.from({ length: 20_001 }, (_, id) => [String(id), `class ${id}`]));
    assert.match(refused({ ...GOOD, id2label: many }).message, /20001 classes; at most 20000/);
  });

  test("a classifier has two classes or more, one label a text; without names they are LABEL_0, LABEL_1 …", () => {
    const labels = (fields: object) => classifierLabels(parseModelConfig({ ...GOOD, ...fields }));
    const architectures = ["BertForSequenceClassification"];
    assert.deepEqual(labels({ architectures }), ["LABEL_0", "LABEL_1"]);
    assert.deepEqual(labels({ num_labels: 3 }), ["LABEL_0", "LABEL_1", "LABEL_2"]);
    assert.deepEqual(labels({ num_labels: 3, id2label: { 0: "a", 1: "b" } }), ["a", "b"], "names count more");
    assert.deepEqual(labels({ problem_type: "single_label_classification", id2label: { 0: 0, 1: 1 } }), ["0", "1"]);
    const two = { id2label: { 0: "a", 1: "b" } };
    for (const [fields, field, message] of [
      [{ architectures, id2label: { 0: "relevant" } }, "id2label", /one output.*score/],
      [{ architectures, num_labels: 1 }, "num_labels", /one output.*score/],
      [{ ...two, problem_type: "multi_label_classification" }, "problem_type", /multi_label_classification/],
      [{ ...two, problem_type: "regression" }, "problem_type", /regression/],
      [{ ...two, problem_type: "something" }, "problem_type", /something/],
      [{ ...two, architectures: ["BertForTokenClassification"] }, "architectures", /TokenClassification.*--from/],
      [{ ...two, architectures: ["BertForMultipleChoice"] }, "architectures", /MultipleChoice/],
      [{ ...two, architectures: ["BertModel"] }, undefined, /encoder \(BertModel\).*--from/],
    ] as const) {
      const found = refused({ ...GOOD, ...fields }, (json) => classifierLabels(parseModelConfig(json)));
      assert.equal(found.field, field);
      assert.match(found.message, message);
    }
  });

  test("what is written is read back", () => {
    const config = bertConfig({
      ...SIZES,
      hidden_dropout_prob: 0,
      classifier_dropout: 0.25,
      pad_token_id: 3,
      initializer_range: 0.04,
    });
    const labels = ["yes", "no", '<b>"maybe"</b>', "__proto__"];
    const text = formatModelConfig(config, { kind: "sequence", labels: 4, pooling: "first" }, labels);
    assert.deepEqual(parseModelConfig(JSON.parse(text)), {
      config,
      labels,
      architecture: "BertForSequenceClassification",
      problemType: undefined,
      numLabels: undefined,
      activation: undefined,
    });
    assert.deepEqual(
      parseModelConfig(JSON.parse(formatModelConfig(config, { kind: "encoder", pooling: "mean" }, undefined))),
      {
        config,
        labels: undefined,
        architecture: "BertModel",
        problemType: undefined,
        numLabels: undefined,
        activation: undefined,
      },
    );
    assert.equal((JSON.parse(text) as { label2id: Record<string, number> }).label2id["no"], 1);
  });
});
