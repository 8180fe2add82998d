/** The tokenizer of a GGUF file: the same ids as the files that a folder has, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openTokenizer, tokenizerOfGguf } from "../../src/language/text/index.ts";

type Metadata = Map<string, unknown>;
const metadata = (fields: Record<string, unknown>): Metadata =>
  new Map(Object.entries(fields).map(([key, value]) => [`tokenizer.${key}`, value]));

/** The 256 bytes as characters, as byte-level tokenizers write them. */
const BYTES = (() => {
  const printable = (code: number): boolean =>
    (code >= 33 && code <= 126) || (code >= 161 && code !== 173 && code <= 255);
  let beyond = 256;
  return Array.from({ length: 256 }, (_, code) => String.fromCharCode(printable(code) ? code : beyond++));
})();
const SPACE = BYTES[32]!;
const WORDS = ["th", "the", `${SPACE}t`, `${SPACE}th`, `${SPACE}the`, "12", "123", "<|end|>", "<|user|>", "[PAD265]"];
const KINDS = [...BYTES.map(() => 1), 1, 1, 1, 1, 1, 1, 1, 3, 4, 5];
const BPE = {
  "ggml.model": "gpt2",
  "ggml.pre": "gpt-2",
  "ggml.tokens": [...BYTES, ...WORDS],
  "ggml.token_type": Int32Array.from(KINDS),
  "ggml.merges": ["t h", "th e", `${SPACE} the`, "1 2", "12 3"],
  "ggml.bos_token_id": 263,
  "ggml.eos_token_id": 263,
  chat_template: "{{ messages }}",
};
const SCORED = {
  "ggml.model": "llama",
  "ggml.tokens": [
    "<unk>",
    "<s>",
    "</s>",
    "<0x0A>",
    "<0xC3>",
    "<0xBC>",
    "\u2581",
    "a",
    "b",
    "ab",
    "\u2581ab",
    "ba",
    "aba",
  ],
  "ggml.scores": Float32Array.from([0, 0, 0, 0, 0, 0, -9, -8, -7, -3, -2, -1, -4]),
  "ggml.token_type": Int32Array.from([2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 1, 1]),
  "ggml.bos_token_id": 1,
  "ggml.eos_token_id": 2,
  "ggml.unknown_token_id": 0,
};

async function idsOf(fields: Record<string, unknown>, text: string): Promise<number[]> {
  const files = tokenizerOfGguf(metadata(fields), 64);
  const tokenizer = openTokenizer(
    {
      tokenizerJson: files["tokenizer.json"],
      tokenizerConfig: JSON.parse(files["tokenizer_config.json"]) as object,
    },
    { maxLength: 64 },
  );
  return Array.from((await tokenizer.encode(text)).ids);
}

test("byte-level BPE: merges in their order, special tokens whole, unused ones not there", async () => {
  assert.deepEqual(await idsOf(BPE, "the the<|end|>12345"), [257, 260, 263, 262, 52, 53]);
  assert.deepEqual(await idsOf(BPE, "ü"), [0xc3, 0xbc]);
  assert.deepEqual(await idsOf({ ...BPE, "ggml.pre": "smollm" }, "123"), [49, 50, 51], "each digit by itself");
  assert.deepEqual(await idsOf({ ...BPE, "ggml.pre": "qwen2" }, "u\u0308"), [0xc3, 0xbc], "composed first");
  assert.deepEqual(
    await idsOf({ ...BPE, "ggml.pre": "llama-bpe" }, "1234"),
    [263, 262, 52],
    "a first token, by threes",
  );
  assert.deepEqual(
    await idsOf({ ...BPE, "ggml.add_bos_token": true, "ggml.add_eos_token": true }, "the"),
    [263, 257, 263],
  );
  const { "tokenizer.json": text } = tokenizerOfGguf(metadata(BPE), 64);
  const { model, added_tokens: added } = JSON.parse(text) as {
    model: { vocab: Record<string, number>; ignore_merges: boolean };
    added_tokens: { content: string; special: boolean }[];
  };
  assert.deepEqual(
    added.map(({ content, special }) => [content, special]),
    [
      ["<|end|>", true],
      ["<|user|>", false],
    ],
  );
  assert.equal(model.vocab["[PAD265]"], undefined);
  assert.equal(model.ignore_merges, false);
});

test("SentencePiece: the best score first, a space before the text, bytes for what no piece has", async () => {
  assert.deepEqual(await idsOf(SCORED, "ab"), [1, 10]);
  assert.deepEqual(await idsOf(SCORED, "abba"), [1, 10, 11], "▁ab (−2) and ba (−1)");
  assert.deepEqual(await idsOf(SCORED, "ab\nü"), [1, 10, 3, 4, 5]);
  assert.deepEqual(await idsOf({ ...SCORED, "ggml.add_space_prefix": false }, "ab"), [1, 9]);
  assert.deepEqual(await idsOf({ ...SCORED, "ggml.add_bos_token": false, "ggml.add_eos_token": true }, "b"), [6, 8, 2]);
  const { "tokenizer.json": text } = tokenizerOfGguf(metadata(SCORED), 64);
  assert.deepEqual((JSON.parse(text) as { model: { merges: unknown } }).model.merges, [
    ["b", "a"],
    ["\u2581", "ab"],
    ["a", "b"],
    ["ab", "a"],
    ["a", "ba"],
  ]);
});

test("the configuration names the special tokens, the longest row and the chat template", () => {
  assert.deepEqual(JSON.parse(tokenizerOfGguf(metadata(BPE), 77)["tokenizer_config.json"]), {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: 77,
    clean_up_tokenization_spaces: false,
    bos_token: "<|end|>",
    eos_token: "<|end|>",
    chat_template: "{{ messages }}",
  });
});

test("what does not hold or is not followed is refused by name", () => {
  const without = (fields: Record<string, unknown>, key: string): Record<string, unknown> =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key));
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{}, /tokenizer\.ggml\.model/],
    [without(BPE, "ggml.tokens"), /tokenizer\.ggml\.tokens/],
    [without(BPE, "ggml.pre"), /does not say how its tokenizer cuts texts/],
    [{ ...BPE, "ggml.pre": "deepseek-llm" }, /cuts texts by "deepseek-llm"; gpt-2, /],
    [{ ...BPE, "ggml.model": "rwkv" }, /tokenizer is "rwkv"; gpt2 and llama are read/],
    [{ ...BPE, "ggml.model": "constructor" }, /tokenizer is "constructor"/],
    [{ ...BPE, "ggml.pre": "constructor" }, /cuts texts by "constructor"/],
    [{ ...BPE, "ggml.merges": ["th"] }, /merge 0 is "th", without a space/],
    [{ ...BPE, "ggml.token_type": new Int32Array(3) }, /266 tokens and 3 kinds/],
    [
      { ...BPE, "ggml.tokens": [...BYTES, ...WORDS.slice(0, 9), "the"], "ggml.token_type": undefined },
      /257 and 265 are both "the"/,
    ],
    [{ ...BPE, "ggml.eos_token_id": 5000 }, /names the token 5000, and has 266/],
    [{ ...BPE, "ggml.eos_token_id": -1 }, /eos_token_id/],
    [without(SCORED, "ggml.scores"), /13 tokens and 0 scores/],
    [{ ...SCORED, "ggml.scores": new Float32Array(3) }, /13 tokens and 3 scores/],
    [
      { ...SCORED, "ggml.tokens": [...SCORED["ggml.tokens"].slice(0, 12), "x".repeat(600)] },
      /token 12 has 600 characters/,
    ],
  ];
  for (const [fields, message] of cases)
    assert.throws(() => tokenizerOfGguf(metadata(fields), 64), { code: "TOKENIZER_INVALID", message });
});
