/** `config.json`: what is read, what is refused and how it says so, and that what is written is read back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { bertConfig, formatBertConfig, parseBertConfig } from "../../src/language/models/index.ts";

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

function refused(json: unknown): { message: string; field: unknown } {
  try {
    parseBertConfig(json);
  } catch (thrown) {
    if (isLockstepError(thrown) && thrown.code === "MODEL_INVALID")
      return { message: thrown.message, field: thrown.details["field"] };
    throw thrown;
  }
  return assert.fail(`not refused: ${JSON.stringify(json)}`);
}

describe("config.json", () => {
  test("the sizes are enough; the rest has the defaults of transformers", () => {
    assert.deepEqual(parseBertConfig(GOOD), {
      config: {
        ...SIZES,
        layer_norm_eps: 1e-12,
        initializer_range: 0.02,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        classifier_dropout: 0.1,
        pad_token_id: 0,
      },
      labels: undefined,
      architecture: undefined,
    });
  });

  test("the classifier's dropout is the hidden one unless it has its own; unknown fields are passed over", () => {
    const dropout = (extra: object) => parseBertConfig({ ...GOOD, ...extra }).config.classifier_dropout;
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
    test(`"${field}" must be there, whole, positive and of a size that can be`, () => {
      for (const value of [undefined, null, 0, -1, 1.5, "16", 1e12, NaN])
        assert.equal(refused({ ...GOOD, [field]: value }).field, field, String(value));
    });
  }

  test("what is not a BERT encoder as it is built here is refused by name", () => {
    const cases: readonly (readonly [string, unknown])[] = [
      ["model_type", "roberta"],
      ["model_type", undefined],
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
  });

  test("heads must divide the width", () => {
    assert.match(
      refused({ ...GOOD, num_attention_heads: 3 }).message,
      /"hidden_size" 16 is not a multiple of "num_attention_heads" 3/,
    );
  });

  test("labels are by id, whatever the order of the keys, and none may be missing", () => {
    assert.deepEqual(parseBertConfig({ ...GOOD, id2label: { 1: "b", 0: "a", 2: "__proto__" } }).labels, [
      "a",
      "b",
      "__proto__",
    ]);
    assert.match(refused({ ...GOOD, id2label: { 0: "a", 2: "c" } }).message, /none for 1/);
    assert.equal(refused({ ...GOOD, id2label: { 0: 7 } }).field, "id2label.0");
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
    const text = formatBertConfig(config, "BertForSequenceClassification", labels);
    assert.deepEqual(parseBertConfig(JSON.parse(text)), {
      config,
      labels,
      architecture: "BertForSequenceClassification",
    });
    assert.deepEqual(parseBertConfig(JSON.parse(formatBertConfig(config, "BertModel", undefined))), {
      config,
      labels: undefined,
      architecture: "BertModel",
    });
    assert.equal((JSON.parse(text) as { label2id: Record<string, number> }).label2id["no"], 1);
  });
});
