import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it, test } from "node:test";
import { Tokenizer as Reference } from "tokenizers";
import { loadTokenizer, openTokenizer, scoredBpeTokenizerJson } from "../../src/language/text/index.ts";
import { byteOfCharacter } from "../../src/language/text/bytes.ts";
import type { SyncTokenizer } from "../../src/language/text/index.ts";
import { charsmapOf } from "./charsmap.ts";
import { comparePieces, jsonOf, KINDS, NASTY, normalizersOfCharsmap } from "./pieces.ts";
import { randomTexts } from "./reference.ts";

const digests = JSON.parse(readFileSync(new URL("golden/piece-digests.json", import.meta.url), "utf8")) as {
  quick: Record<string, string>;
};
const texts = [...randomTexts(80, 11, NASTY)];

/** Microseconds of this thread's own work. */
function cost(tokenizer: SyncTokenizer, text: string): number {
  const before = process.threadCpuUsage();
  tokenizer.encode(text);
  const { user, system } = process.threadCpuUsage(before);
  return user + system;
}

describe("BPE and Unigram on random Unicode", () => {
  for (const [name, kind] of Object.entries(KINDS))
    it(`${name}: the reference's ids, offsets and texts, and the stored digest`, async () => {
      const digest = await comparePieces(name, jsonOf(kind), texts, kind.aligned ?? false);
      assert.equal(digest, digests.quick[name]);
    });
});

type Json = Record<string, unknown> & { model: { vocab: Record<string, number>; merges: string[] } };
const gpt2 = JSON.parse(jsonOf(KINDS["GPT-2"]!)) as Json;

describe("a long text", () => {
  const kind = KINDS["Llama 3"]!;
  const json = jsonOf({ ...kind, added: [] });
  const words = [...randomTexts(400, 12, NASTY)].join(" card 1 ");

  it("is read in windows that change nothing", async () => {
    const own = loadTokenizer({ tokenizerJson: json }, { maxLength: 1 << 20 });
    const expected = await Reference.fromString(json).encode(words.repeat(4));
    assert.deepEqual([...own.encode(words.repeat(4)).ids], expected.getIds());
  });

  it("is read only as far as it is needed, and cut on the side that the file says", () => {
    const long = "card a ".repeat(100_000);
    const own = loadTokenizer({ tokenizerJson: json }, { maxLength: 64 });
    const whole = cost(loadTokenizer({ tokenizerJson: json }, { maxLength: 1 << 20 }), long);
    const part = cost(own, long);
    assert.ok(part < whole / 3, `700,000 characters: ${part} µs for 64 tokens, ${whole} µs for all`);
    const { ids, truncated } = own.encode(long);
    assert.equal(truncated, true);
    assert.deepEqual(ids, own.encode(long.slice(0, 2000)).ids);
    const left = loadTokenizer({
      tokenizerJson: json,
      tokenizerConfig: { tokenizer_class: "PreTrainedTokenizerFast", truncation_side: "left" },
    });
    const all = left.encode("a card b card", { offsets: true });
    const cut = left.encode("a card b card", { maxLength: 3, offsets: true });
    assert.deepEqual([...cut.ids.slice(1)], [...all.ids.slice(-2)]);
    assert.deepEqual([...cut.offsets.slice(2)], [...all.offsets.slice(-4)]);
  });

  it("without words takes time in proportion to its length", () => {
    const own = loadTokenizer({ tokenizerJson: jsonOf(KINDS["Llama 2"]!) }, { maxLength: 1 << 20 });
    const costOf = (length: number): number => cost(own, "card ".repeat(length / 5));
    costOf(20_000);
    const [short, long] = [costOf(20_000), costOf(160_000)];
    assert.ok(long < 40 * short + 50_000, `${short} µs for 20,000 characters, ${long} µs for 160,000`);
  });
});

describe("files", () => {
  const { vocab, merges } = gpt2.model;
  const end = { ...vocab, "<|endoftext|>": Object.keys(vocab).length };
  const mergesTxt = `#version: 0.2\n${merges.join("\n")}\n`;

  it("vocab.json and merges.txt are one tokenizer, as tokenizer_class says", async () => {
    const plain = loadTokenizer({ vocabJson: JSON.stringify(end), mergesTxt });
    const { ids } = plain.encode("the card<|endoftext|>");
    assert.equal(ids.at(-1), end["<|endoftext|>"]);
    const reference = Reference.fromString(plain.files["tokenizer.json"]);
    assert.deepEqual([...ids], (await reference.encode("the card<|endoftext|>")).getIds());
    const roberta = loadTokenizer({
      vocabJson: vocab,
      mergesTxt,
      tokenizerConfig: {
        tokenizer_class: "RobertaTokenizer",
        add_prefix_space: true,
        bos_token: "<s>",
        eos_token: "</s>",
      },
    });
    assert.deepEqual([roberta.special.bos, roberta.special.eos], [vocab["<s>"], vocab["</s>"]]);
    const pair = roberta.encode("card", { pair: "card" });
    const [card] = [...plain.encode(" card").ids];
    assert.deepEqual([...pair.ids], [0, card, 1, 1, card, 1]);
    const qwen = loadTokenizer({
      vocabJson: end,
      mergesTxt,
      tokenizerConfig: { tokenizer_class: "Qwen2TokenizerFast" },
    });
    assert.equal(qwen.decode(qwen.encode("the 12 e\u0301").ids), "the 12 é");
    assert.throws(
      () => loadTokenizer({ vocabJson: end, mergesTxt, tokenizerConfig: { tokenizer_class: "LlamaTokenizer" } }),
      {
        code: "TOKENIZER_INVALID",
        message: /"LlamaTokenizer", which is not made of vocab\.json and merges\.txt/,
      },
    );
    for (const [bad, message] of [
      [`${mergesTxt}a\n`, /merges\.txt.*not two tokens/],
      [`${mergesTxt}a nothing\n`, /speaks of "nothing"/],
    ] as const)
      assert.throws(() => loadTokenizer({ vocabJson: end, mergesTxt: bad }), { code: "TOKENIZER_INVALID", message });
    assert.throws(() => loadTokenizer({ vocabJson: "{", mergesTxt }), { message: /vocab\.json.*not JSON/ });
  });

  it("what it writes opens again as the same tokenizer, with no token more", () => {
    const first = loadTokenizer({ tokenizerJson: jsonOf(KINDS["RoBERTa"]!) });
    const again = loadTokenizer({
      tokenizerJson: first.files["tokenizer.json"],
      tokenizerConfig: JSON.parse(first.files["tokenizer_config.json"]) as object,
    });
    assert.equal(again.vocabSize, first.vocabSize);
    for (const text of texts) assert.deepEqual(again.encode(text), first.encode(text));
  });

  it("settings that contradict tokenizer.json are refused by name, and those that agree are taken", () => {
    const open = (name: string, tokenizerConfig: object): unknown =>
      loadTokenizer({ tokenizerJson: jsonOf(KINDS[name]!), tokenizerConfig });
    const llama = { tokenizer_class: "LlamaTokenizer", bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };
    open("Llama 2", {
      ...llama,
      add_bos_token: true,
      add_eos_token: false,
      add_prefix_space: true,
      sp_model_kwargs: {},
    });
    open("RoBERTa, offsets not trimmed", { tokenizer_class: "RobertaTokenizerFast", add_prefix_space: false });
    open("Qwen2", {
      tokenizer_class: "Qwen2Tokenizer",
      add_bos_token: false,
      add_prefix_space: false,
      errors: "replace",
    });
    const wrong: [string, object, RegExp][] = [
      ["Llama 2", { ...llama, add_bos_token: false }, /"add_bos_token" is false, and tokenizer\.json adds "<s>"/],
      ["Llama 2", { ...llama, add_eos_token: true }, /"add_eos_token" is true/],
      ["Llama 2", { ...llama, add_prefix_space: false }, /"add_prefix_space" is false/],
      ["GPT-2", { tokenizer_class: "GPT2Tokenizer", add_prefix_space: true }, /"add_prefix_space" is true/],
      ["Unigram", { tokenizer_class: "GPT2Tokenizer" }, /whose model is BPE, and tokenizer\.json has Unigram/],
    ];
    for (const [name, config, message] of wrong)
      assert.throws(() => open(name, config), { code: "TOKENIZER_INVALID", message });
  });

  it("pieces with scores are a tokenizer: of two merges that of the greater score goes first", async () => {
    const bytes = Array.from({ length: 256 }, (_, byte): [string, number] => [
      `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
      0,
    ]);
    const pieces: [string, number][] = [
      ["<unk>", 0],
      ["<s>", 0],
      ["</s>", 0],
      ...bytes,
      ...["ab", "bc", "▁a", "abc"].map((piece, i): [string, number] => [piece, [-3, -1, -2, -4][i]!]),
      ...Array.from("abc▁", (letter, i): [string, number] => [letter, -10 - i]),
    ];
    const json = scoredBpeTokenizerJson({ pieces, unknown: "<unk>", begin: "<s>", end: "</s>" });
    const own = loadTokenizer({ tokenizerJson: json });
    const idOf = (piece: string): number => pieces.findIndex(([one]) => one === piece);
    // b and c first, then ▁ and a.
    assert.deepEqual([...own.encode("abc").ids], ["<s>", "▁a", "bc"].map(idOf));
    assert.deepEqual([...own.encode("é").ids], ["<s>", "▁", "<0xC3>", "<0xA9>"].map(idOf));
    assert.equal(own.decode(own.encode("ab é  c").ids), "ab é  c");
    const reference = Reference.fromString(JSON.stringify(json));
    for (const text of texts) assert.deepEqual([...own.encode(text).ids], (await reference.encode(text)).getIds());
  });
});

describe("what our own code refuses", () => {
  const changed = (change: (json: Json) => void): Json => {
    const json = structuredClone(gpt2);
    change(json);
    return json;
  };
  const pattern = (Regex: string, behavior = "Isolated") => ({
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex }, behavior, invert: false },
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  });
  const uncovered: [string, Json, RegExp][] = [
    [
      "an expression without a scanner",
      changed((json) => (json["pre_tokenizer"] = pattern("\\p{N}{1,3}"))),
      /\(Split\)/,
    ],
    [
      "another use of an expression",
      changed((json) => (json["pre_tokenizer"] = pattern(" {2,}", "MergedWithNext"))),
      /pre_tokenizer\.pretokenizers\[0\] \(Split\)/,
    ],
    ["a normalizer of old models", changed((json) => (json["normalizer"] = { type: "Nmt" })), /normalizer \(Nmt\)/],
  ];
  for (const [name, tokenizerJson, message] of uncovered)
    it(`${name}, by its path; the library runs it`, async () => {
      assert.throws(() => loadTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID", message });
      const opened = openTokenizer({ tokenizerJson });
      assert.match(opened.library ?? "", /^tokenizers/);
      const { offsets, ids } = await opened.encode("😀 a card", { offsets: true });
      assert.deepEqual([offsets.length, offsets.at(-1)], [2 * ids.length, 9]);
    });

  const damaged: [string, Json, RegExp][] = [
    [
      "a merge of no token",
      changed((json) => json.model.merges.push("the nothing")),
      /model\.merges\[\d+\].*"nothing"/,
    ],
    ["a merge into no token", changed((json) => json.model.merges.push("z z")), /model\.merges\[\d+\].*"zz"/],
    ["merges that are no list", changed((json) => (json.model.merges = {} as string[])), /merges is not a list/],
    ["an unknown token that is none", changed((json) => Object.assign(json.model, { unk_token: "<no>" })), /"<no>"/],
    [
      "a Unigram model that does not know what is unknown",
      changed((json) => Object.assign(json, { pre_tokenizer: null, model: { type: "Unigram", vocab: [["a", -1]] } })),
      /unk_id/,
    ],
  ];
  for (const [name, tokenizerJson, message] of damaged)
    it(name, () => assert.throws(() => loadTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID", message }));
});

describe("a table of characters", () => {
  const [reference, own] = normalizersOfCharsmap();
  it("stands for whole clusters where they are short, as in the reference", () => {
    for (const text of [...texts, "E\u0301", "क\u094dम\u0302", "©\u200d😀", "\u0600E\u0301", "\r\n\u0301", "각\u0301"])
      assert.equal(own(text), reference(text), JSON.stringify(text));
    assert.equal(own("E\u0301 ﬁ½"), "e fi1/2");
  });
  it("is refused when it is damaged", () => {
    const open = (precompiled_charsmap: unknown): unknown =>
      loadTokenizer({
        tokenizerJson: {
          ...(JSON.parse(jsonOf(KINDS["T5"]!)) as object),
          normalizer: { type: "Precompiled", precompiled_charsmap },
        },
      });
    for (const bad of [null, "", "%%%", "AAAA", btoa("\xff\xff\xff\x7f0000"), btoa("\x05\0\0\x000000000")])
      assert.throws(() => open(bad), { code: "TOKENIZER_INVALID", message: /precompiled_charsmap is not base64/ });
    const bomb = charsmapOf([["a", "x".repeat(257)]]);
    assert.throws(() => open(bomb), { code: "TOKENIZER_INVALID", message: /a character more than 256 bytes/ });
    // What it leads to outside of itself is nothing.
    open(btoa("\x04\0\0\0\xff\xff\xff\xff"));
  });
});

test("the alphabet of bytes is the reference's", () => {
  const known = Array.from({ length: 0x180 }, (_, code) => byteOfCharacter(String.fromCharCode(code)));
  assert.equal(known.filter((byte) => byte !== undefined).length, 256);
  assert.deepEqual(
    [byteOfCharacter("Ġ"), byteOfCharacter("Ċ"), byteOfCharacter("a"), byteOfCharacter("ÿ")],
    [32, 10, 97, 255],
  );
});
