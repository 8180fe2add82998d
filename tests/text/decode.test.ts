/** Decoding beside the reference implementation (npm `tokenizers`): whole texts, and the same in a stream. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Tokenizer as Reference } from "tokenizers";
import { openTokenizer, type Tokenizer } from "../../src/language/text/index.ts";

const TOKENS = [
  ...["a", "Ġb", "Ã", "©", "ðŁ", "ĺ", "Ģ", "ã", "▁", "▁the", "the▁", "▁▁", " x", "x ", " ", "  ", "##s", "##", "s##"],
  ...["<0xE2>", "<0x82>", "<0xAC>", "<0xF0>", "<0xFF>", "<0x20>", "<0x+5>", "<0xg1>", "é", "日本", "😀", "\u0301"],
  ...[
    ".",
    "?",
    "!",
    ",",
    "'",
    "n't",
    "'m",
    "'s",
    "do",
    "not",
    " do not",
    "b</w>",
    "</w>",
    "|",
    "<pad>",
    "<pad>a",
    "it",
  ],
];
const vocab = Object.fromEntries(TOKENS.map((token, id) => [token, id]));
const added = [
  { content: "<end>", special: true },
  { content: "<Mark>", special: false, normalized: true },
  { content: "Ġ", special: false, normalized: false },
].map((token, i) => ({ id: TOKENS.length + i, ...token }));
const size = TOKENS.length + added.length;

const replace = (sought: string, content: string) => ({ type: "Replace", pattern: { String: sought }, content });
const strip = (content: string, start: number, stop: number) => ({ type: "Strip", content, start, stop });
const sequence = (...decoders: object[]) => ({ type: "Sequence", decoders });
const metaspace = (scheme: string) => ({ type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: true });

const DECODERS: Readonly<Record<string, object | null>> = {
  none: null,
  "byte-level": { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  WordPiece: { type: "WordPiece", prefix: "##", cleanup: true },
  "WordPiece, as it is": { type: "WordPiece", prefix: "##", cleanup: false },
  Metaspace: metaspace("always"),
  "Metaspace, nothing before": metaspace("never"),
  "Llama 2": sequence(replace("▁", " "), { type: "ByteFallback" }, { type: "Fuse" }, strip(" ", 1, 0)),
  Gemma: sequence(replace("▁", " "), { type: "ByteFallback" }, { type: "Fuse" }),
  "strip each token": sequence({ type: "ByteFallback" }, strip(" ", 2, 0)),
  "after the fuse": sequence({ type: "Fuse" }, replace("▁▁", "-"), metaspace("first"), strip("-", 2, 0)),
  "original BPE": { type: "BPEDecoder", suffix: "</w>" },
  CTC: { type: "CTC", pad_token: "<pad>", word_delimiter_token: "|", cleanup: true },
  "bytes, then spaces": sequence({ type: "ByteLevel", add_prefix_space: true, trim_offsets: true }, strip(" ", 1, 0)),
};

const jsonOf = (decoder: object | null): object => ({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: added.map((token) => ({
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    ...token,
  })),
  normalizer: { type: "Lowercase" },
  pre_tokenizer: null,
  post_processor: null,
  decoder,
  model: { type: "BPE", vocab, merges: [], unk_token: null, fuse_unk: false, byte_fallback: false },
});

/** Checks that no piece ends in half a character, and joins them. */
function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string {
  const stream = tokenizer.decodeStream({ skipSpecialTokens });
  const pieces = [...ids.map((id) => stream.push(id)), stream.end()];
  for (const piece of pieces) assert.ok(piece.isWellFormed());
  return pieces.join("");
}

describe("decoding as the reference does", () => {
  for (const [name, decoder] of Object.entries(DECODERS)) {
    it(name, async () => {
      const json = jsonOf(decoder);
      const tokenizer = openTokenizer({ tokenizerJson: json });
      const reference = Reference.fromString(JSON.stringify(json));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: size - 1 }), { minLength: 1, maxLength: 14 }),
          fc.boolean(),
          async (ids, skipSpecialTokens) => {
            const expected = await reference.decode(ids, skipSpecialTokens);
            assert.equal(tokenizer.decode(ids, { skipSpecialTokens }), expected);
            assert.equal(streamed(tokenizer, ids, skipSpecialTokens), expected);
          },
        ),
        { numRuns: 300, seed: 6 },
      );
    });
  }
});

describe("a stream", () => {
  const open = (decoder: object): Tokenizer => openTokenizer({ tokenizerJson: jsonOf(decoder) });
  const idOf = (token: string): number => vocab[token] as number;

  it("waits for the rest of a character, and gives what is certain at once", () => {
    const stream = open(DECODERS["byte-level"] as object).decodeStream();
    const given = ["a", "ðŁ", "ĺ", "Ģ", "Ġb", "Ã"].map((token) => stream.push(idOf(token)));
    assert.deepEqual(given, ["a", "", "", "😀", " b", ""]);
    assert.equal(stream.end(), "\ufffd");
    assert.equal(stream.end(), "");
    assert.throws(() => stream.push(0), { code: "INPUT_INVALID", message: /ended/ });
  });

  it("holds a run of bytes that a later byte could spoil, and nothing else", () => {
    const stream = open(DECODERS["Llama 2"] as object).decodeStream();
    const given = ["▁the", "<0xE2>", "<0x82>", "<0xAC>", "▁the", "é"].map((token) => stream.push(idOf(token)));
    assert.deepEqual(given, ["the", "", "", "", "€ the", "é"]);
    assert.equal(stream.end(), "");
  });

  it("takes away what stands at the end of a text, in whatever pieces it came", () => {
    const stream = openTokenizer({
      tokenizerJson: {
        ...jsonOf(sequence({ type: "Fuse" }, strip("b", 0, 2))),
        model: { type: "BPE", vocab: { a: 0, b: 1, bb: 2, ab: 3 }, merges: [] },
        added_tokens: [],
      },
    }).decodeStream();
    assert.deepEqual(
      [1, 0, 3, 1, 2, 0, 3, 1].map((id) => stream.push(id)),
      ["", "ba", "a", "", "bb", "bba", "a", ""],
    );
    assert.equal(stream.end(), "");
  });

  it("refuses an id that no token has, and a decoder by a regular expression", () => {
    assert.throws(() => open(metaspace("always")).decodeStream().push(size), {
      code: "INPUT_INVALID",
      message: new RegExp(`id ${size}; .* 0 to ${size - 1}`),
    });
    assert.throws(() => open({ type: "Replace", pattern: { Regex: "\\s+" }, content: " " }), {
      code: "TOKENIZER_INVALID",
      message: /decoder \(Replace\) seeks no plain text/,
    });
  });
});
