/** DistilBERT, RoBERTa and XLM-R: their `config.json`, parameters, names in published folders, and positions. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import {
  architectureOf,
  batchInputs,
  classifierLabels,
  classifierName,
  formatModelConfig,
  matchWeights,
  modelGraph,
  modelParameters,
  newModelConfig,
  parseModelConfig,
  withDropout,
  type FamilyName,
  type Head,
  type ModelConfig,
} from "../../src/language/models/index.ts";
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

const DISTILBERT = {
  model_type: "distilbert",
  vocab_size: 50,
  dim: 16,
  n_layers: 1,
  n_heads: 2,
  hidden_dim: 24,
  max_position_embeddings: 12,
};
const ROBERTA = {
  model_type: "roberta",
  vocab_size: 50,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 14,
  type_vocab_size: 1,
};
const XLM = { ...ROBERTA, model_type: "xlm-roberta" };
const ALL: readonly (readonly [Extract<FamilyName, "distilbert" | "roberta" | "xlm-roberta">, object])[] = [
  ["distilbert", DISTILBERT],
  ["roberta", ROBERTA],
  ["xlm-roberta", XLM],
];
const HEADS: readonly Head[] = [
  { kind: "masked-lm" },
  { kind: "sequence", labels: 3, pooling: "first" },
  { kind: "sequence", labels: 1, pooling: "mean" },
  { kind: "token", labels: 5 },
  { kind: "encoder", pooling: "mean" },
  { kind: "encoder", pooling: "first" },
];

function refused(json: object): { readonly message: string; readonly field: unknown } {
  try {
    parseModelConfig(json);
  } catch (thrown) {
    if (isLockstepError(thrown) && thrown.code === "MODEL_INVALID")
      return { message: thrown.message, field: thrown.details["field"] };
    throw thrown;
  }
  return assert.fail(`not refused: ${JSON.stringify(json)}`);
}

describe("config.json", () => {
  test("what is left out is what transformers has", () => {
    assert.deepEqual(parseModelConfig({ model_type: "distilbert" }).config, {
      model_type: "distilbert",
      vocab_size: 30_522,
      hidden_size: 768,
      num_hidden_layers: 6,
      num_attention_heads: 12,
      intermediate_size: 3072,
      max_position_embeddings: 512,
      initializer_range: 0.02,
      dropout: 0.1,
      attention_dropout: 0.1,
      seq_classif_dropout: 0.2,
      pad_token_id: 0,
    });
    const { config } = parseModelConfig({ model_type: "roberta" });
    assert.deepEqual(
      [config.vocab_size, config.pad_token_id, config.max_position_embeddings, config.hidden_size],
      [50_265, 1, 510, 768],
    );
  });

  test("as published: a table of 514 positions is for 512 tokens, in both dialects", () => {
    const published = {
      model_type: "roberta",
      architectures: ["RobertaForMaskedLM"],
      attention_probs_dropout_prob: 0.1,
      bos_token_id: 0,
      eos_token_id: 2,
      gradient_checkpointing: false,
      hidden_act: "gelu",
      hidden_dropout_prob: 0.1,
      hidden_size: 768,
      initializer_range: 0.02,
      intermediate_size: 3072,
      layer_norm_eps: 1e-5,
      max_position_embeddings: 514,
      num_attention_heads: 12,
      num_hidden_layers: 12,
      pad_token_id: 1,
      position_embedding_type: "absolute",
      tokenizer_class: "RobertaTokenizerFast",
      transformers_version: "4.6.0.dev0",
      type_vocab_size: 1,
      use_cache: true,
      vocab_size: 50_265,
    };
    for (const dialect of [
      { torch_dtype: "float16" },
      { dtype: "bfloat16", is_decoder: false, add_cross_attention: false, classifier_dropout: null },
    ]) {
      const { config } = parseModelConfig({ ...published, ...dialect });
      assert.equal(config.max_position_embeddings, 512);
      const [, positions] = modelParameters(config, { kind: "encoder", pooling: "mean" });
      assert.deepEqual(positions?.shape, [514, 768]);
      assert.deepEqual(
        parseModelConfig(JSON.parse(formatModelConfig(config, { kind: "masked-lm" }, undefined))).config,
        {
          ...config,
        },
      );
    }
    const distilled = {
      model_type: "distilbert",
      activation: "gelu",
      attention_dropout: 0.1,
      dim: 768,
      dropout: 0.1,
      finetuning_task: "sst-2",
      hidden_dim: 3072,
      id2label: { 0: "NEGATIVE", 1: "POSITIVE" },
      initializer_range: 0.02,
      label2id: { NEGATIVE: 0, POSITIVE: 1 },
      max_position_embeddings: 512,
      n_heads: 12,
      n_layers: 6,
      output_past: true,
      pad_token_id: 0,
      qa_dropout: 0.1,
      seq_classif_dropout: 0.2,
      sinusoidal_pos_embds: false,
      tie_weights_: true,
      transformers_version: "4.10.0",
      vocab_size: 30_522,
      architectures: ["DistilBertForSequenceClassification"],
    };
    assert.deepEqual(classifierLabels(parseModelConfig(distilled)), ["NEGATIVE", "POSITIVE"]);
  });

  test("sizes are bounded, and what would be another model is refused by name", () => {
    for (const [, good] of ALL)
      for (const [field, value] of Object.entries(good))
        if (typeof value === "number")
          for (const bad of [null, 0, -1, 1.5, "16", 1e12])
            assert.equal(refused({ ...good, [field]: bad }).field, field, String(bad));
    const cases: readonly (readonly [object, string, unknown])[] = [
      [DISTILBERT, "activation", "relu"],
      [DISTILBERT, "hidden_size", 16],
      [DISTILBERT, "n_heads", 300],
      [DISTILBERT, "seq_classif_dropout", 1],
      [DISTILBERT, "is_decoder", true],
      [ROBERTA, "hidden_act", "relu"],
      [ROBERTA, "position_embedding_type", "relative_key"],
      [ROBERTA, "is_decoder", true],
      [ROBERTA, "pad_token_id", -1],
      [ROBERTA, "max_position_embeddings", 2],
      [XLM, "dim", 16],
    ];
    for (const [good, field, value] of cases) assert.equal(refused({ ...good, [field]: value }).field, field);
    assert.match(refused({ ...DISTILBERT, n_heads: 3 }).message, /"dim": 16 is not a multiple of "n_heads" 3/);
    assert.match(refused({ ...ROBERTA, max_position_embeddings: 2 }).message, /2 positions leave none/);
  });

  test("what is written is read back, whatever the head", () => {
    for (const [family, good] of ALL) {
      const { config } = parseModelConfig({ ...good, pad_token_id: 3, initializer_range: 0.04 });
      for (const head of HEADS) {
        const text = formatModelConfig(config, head, undefined);
        const back = parseModelConfig(JSON.parse(text));
        assert.deepEqual(back.config, config, family);
        assert.equal(back.architecture, architectureOf(config, head));
      }
    }
    const { config } = parseModelConfig(XLM);
    assert.equal(architectureOf(config, HEADS[1]!), "XLMRobertaForSequenceClassification");
    assert.equal(architectureOf(config, HEADS[2]!), "XLMRobertaModel");
  });

  test("a model that starts from nothing has the sizes that it was given, and any dropout", () => {
    for (const [family] of ALL) {
      const sizes = {
        vocab_size: 60,
        hidden_size: 8,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 12,
        max_position_embeddings: 20,
        pad_token_id: 4,
        initializer_range: 0.1,
      };
      const config = withDropout(newModelConfig(family, sizes), { hidden: 0, attention: 0, classifier: 0.5 });
      const { config: read } = parseModelConfig(JSON.parse(formatModelConfig(config, HEADS[0]!, undefined)));
      assert.deepEqual(read, config);
      for (const [name, value] of Object.entries(sizes)) assert.equal(config[name as keyof typeof sizes], value, name);
      const rates = (head: Head): unknown[] =>
        modelGraph(config, head, { dropout: true }).nodes.flatMap((node) =>
          node.op === "dropoutMask" ? [node.attributes.rate] : [],
        );
      assert.deepEqual(rates({ kind: "encoder", pooling: "mean" }), []);
      assert.ok(rates({ kind: "sequence", labels: 2, pooling: "mean" }).every((rate) => rate === 0.5));
    }
  });
});

describe("parameters", () => {
  test("a graph asks for exactly the parameters of its list, and the classifier is the one that is named", () => {
    for (const [family, good] of ALL) {
      const { config } = parseModelConfig(good);
      for (const head of HEADS) {
        const declared = modelGraph(config, head).nodes.flatMap((node) =>
          node.op === "parameter" ? [node.attributes.name] : [],
        );
        const listed = modelParameters(config, head).map(({ name }) => name);
        assert.deepEqual([...new Set(declared)].sort(), [...listed].sort(), `${family} ${JSON.stringify(head)}`);
        if (head.kind === "sequence") assert.ok(listed.includes(`${classifierName(config)}.weight`));
      }
    }
  });

  test("weight decay is for matrices only, and heads are a group of their own", () => {
    for (const [, good] of ALL) {
      const { config } = parseModelConfig(good);
      for (const { name, shape, decay, group } of HEADS.flatMap((head) => modelParameters(config, head))) {
        assert.equal(decay, shape.length === 2, name);
        assert.equal(group, /^(?:distilbert|roberta)\./.test(name) ? "encoder" : "head", name);
      }
    }
  });

  test("folders are matched without the prefix, with old names of norms, and with the decoder's bias", () => {
    const filled = (config: ModelConfig, head: Head, rename: (name: string) => string): Map<string, HostTensor> =>
      new Map(
        modelParameters(config, head).map(({ name, shape }, i) => [
          rename(name),
          tensor("float32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(i)),
        ]),
      );
    for (const [, good] of ALL) {
      const { config } = parseModelConfig(good);
      const head: Head = { kind: "masked-lm" };
      const parameters = modelParameters(config, head);
      for (const rename of [
        (name: string) => name,
        (name: string) => name.replace(/^(distilbert|roberta)\./, ""),
        (name: string) =>
          name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
        (name: string) => name.replace(/^lm_head\.bias$/, "lm_head.decoder.bias"),
      ]) {
        const tensors = filled(config, head, rename);
        tensors.set("roberta.embeddings.position_ids", tensor("int64", [1, 2], new BigInt64Array(2)));
        const { weights, missing } = matchWeights(config, parameters, tensors);
        assert.deepEqual(missing, []);
        parameters.forEach(({ name }, i) => assert.equal(weights.get(name)?.data[0], i, name));
      }
    }
  });
});

describe("inputs", () => {
  const list = (inputs: Record<string, HostTensor>, name: string): number[] => Array.from(inputs[name]!.data, Number);
  const shape = { tokens: 5, padId: 1, real: "float32" } as const;
  const row = (...ids: number[]) => ({ ids: Int32Array.from(ids), typeIds: Int32Array.from(ids, () => 1) });

  test("RoBERTa counts from the pad token's id + 1 on; the pad token stands at its own id, also within a text", () => {
    const { config } = parseModelConfig(ROBERTA);
    const inputs = batchInputs([row(7, 8, 9), row(7, 1, 9, 1, 8)], config, { kind: "masked-lm" }, shape);
    assert.deepEqual(list(inputs, "position_ids"), [2, 3, 4, 1, 1, 2, 1, 3, 1, 4]);
    assert.deepEqual(list(inputs, "token_type_ids"), new Array(10).fill(0));
    const longest = batchInputs([row(...new Array<number>(12).fill(5))], config, HEADS[0]!, { ...shape, tokens: 12 });
    assert.equal(Math.max(...list(longest, "position_ids")), 13, "the last row of the table");
  });

  test("DistilBERT has no types of tokens", () => {
    const { config } = parseModelConfig(DISTILBERT);
    const inputs = batchInputs([row(7, 8, 9)], config, { kind: "encoder", pooling: "mean" }, { ...shape, padId: 0 });
    assert.deepEqual(Object.keys(inputs).sort(), ["attention_bias", "input_ids", "mean_weights", "position_ids"]);
  });
});
