/**
 * BPE and Unigram tokenizers of every part that our own code has, small ones made here, and the reference
 * implementation (npm `tokenizers`) as their oracle: ids, offsets and decoded text over random Unicode. Long: a table
 * of kinds.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { precompiled as precompiledReference, Tokenizer as Reference } from "tokenizers";
import { loadTokenizer } from "../../src/language/text/index.ts";
import { characterOfByte } from "../../src/language/text/bytes.ts";
import { Charsmap, precompiled } from "../../src/language/text/charsmap.ts";
import { pieceOf, textOfPiece } from "../../src/language/text/piece.ts";
import { mergePairs } from "../../src/language/text/merges.ts";
import { charsmapOf } from "./charsmap.ts";
import { PIECES, wordStartsOf } from "./reference.ts";
import { GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN } from "../../src/language/text/scanners.ts";

const CORPUS = [
  "the card has not arrived, where's my card? I'VE WAITED 12345 days!!  she'll say it's they're ok",
  "naïve café — the  été,\r\n\r\n  spaces   and\ttabs \n 日本語の文字 日本 한국어 가나다 مرحبا بالعالم שלום",
  "😀😀 👩‍👩‍👧 🇩🇪 12 345.67 x=y+z; (a[b]) {c} http://a.b/c?d=e the the the card card arrived",
];

/** What random texts are made of. */
export const NASTY: readonly string[] = [
  ...PIECES,
  ...[
    " ",
    "  ",
    "   ",
    "\n",
    "\r\n",
    "\n\n ",
    " \t",
    "\u00a0 ",
    " the",
    " card",
    "card!",
    " ta ",
    "arrived,",
    " arrived,",
    "?d=e ",
  ],
  ...["'s", "'S", "'ſ", "'re", "'LL", "'ve", "'m", "'d", "'T", "'x", "123", "1234", " 5", "½", "a'b", "▁", "▁the"],
  ...["©", "©\u200d", "®\u200d😀", "E", "E\u0301", "\u0958", "क\u094d", "ᄀ", "ᅡ", "ᆨ", "b\u0327", "\u0600"],
  ...["<s>", "</s>", "<unk>", "<|end|>", " <mask> ", "<mask>", "<0x41>", "مرحبا", "שלום", "\u202e", "\u200f", "Ġ", "é"],
];

const byteLevel = (options: object = {}) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
  ...options,
});
const split = (Regex: string, behavior = "Isolated", invert = false) => ({
  type: "Split",
  pattern: { Regex },
  behavior,
  invert,
});
const pre = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });
const bytes = byteLevel({ use_regex: false });
const metaspace = (prepend_scheme: string, isSplit = true) => ({
  type: "Metaspace",
  replacement: "▁",
  prepend_scheme,
  split: isSplit,
});
const replace = (sought: string, content: string) => ({ type: "Replace", pattern: { String: sought }, content });
/** Like those of published models: compositions, widths, ligatures, white space, and what disappears. */
export const CHARSMAP: readonly (readonly [string, string])[] = [
  ...([
    ["ﬁ", "fi"],
    ["½", "1/2"],
    ["Ａ", "A"],
    ["ｶﾞ", "ガ"],
    ["e\u0301", "é"],
    ["か\u3099", "が"],
    ["²", "2"],
  ] as const),
  ...([
    ["\n", " "],
    ["\t", " "],
    ["\r\n", " "],
    ["\u3000", " "],
    ["\u00a0", " "],
    ["\u00ad", ""],
  ] as const),
  ...([
    ["ﷺ", "صلى الله"],
    ["\u0958", "\u0915\u093c"],
    ["\u0345", "ι"],
    ["E", "e"],
    ["©", "(c)"],
  ] as const),
  ...([
    ["😀", ":)"],
    ["ᄀ", "ㄱ"],
    ["ᅡ", "ㅏ"],
    ["…", "..."],
    ["\u0301", "'"],
    ["b\u0327", "ḅ"],
    ["म", "m"],
  ] as const),
];
const charsmap = { type: "Precompiled", precompiled_charsmap: charsmapOf(CHARSMAP) };
const spaces = { type: "Replace", pattern: { Regex: " {2,}" }, content: " " };

const normalizers = (...list: object[]) => ({ type: "Sequence", normalizers: list });
const special = (id: string, type_id = 0) => ({ SpecialToken: { id, type_id } });
const text = (id: "A" | "B", type_id = 0) => ({ Sequence: { id, type_id } });
const added = (content: string, options: object = {}) => ({
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...options,
});

interface Kind {
  readonly normalizer?: object | null;
  readonly pre: object | null;
  readonly post?: object | null;
  readonly decoder?: object | null;
  readonly model: "bytes" | "characters" | "unigram";
  readonly options?: object;
  readonly added?: readonly object[];
  /** Offsets are the reference's too. Not where a text is composed: the reference leaves out joined marks. */
  readonly aligned?: boolean;
}

const ADDED = [
  added("<s>"),
  added("</s>"),
  added("<|end|>"),
  added("<mask>", { lstrip: true }),
  added("card!", { special: false, normalized: true }),
  added("ta", { special: false, normalized: true, single_word: true, rstrip: true }),
];
const template = {
  type: "TemplateProcessing",
  single: [special("<s>"), text("A")],
  pair: [special("<s>"), text("A"), special("<s>", 1), text("B", 1)],
  special_tokens: { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] } },
};
const roberta = { type: "RobertaProcessing", sep: ["</s>", 1], cls: ["<s>", 0], trim_offsets: true };
const llama2Decoder = {
  type: "Sequence",
  decoders: [
    replace("▁", " "),
    { type: "ByteFallback" },
    { type: "Fuse" },
    { type: "Strip", content: " ", start: 1, stop: 0 },
  ],
};

export const KINDS: Readonly<Record<string, Kind>> = {
  "GPT-2": { pre: byteLevel(), post: byteLevel(), model: "bytes", aligned: true },
  RoBERTa: {
    pre: byteLevel({ add_prefix_space: true }),
    post: { ...roberta, add_prefix_space: true },
    model: "bytes",
    added: ADDED,
    aligned: true,
  },
  "RoBERTa, offsets not trimmed": {
    pre: byteLevel(),
    post: { ...roberta, trim_offsets: false, add_prefix_space: false },
    model: "bytes",
    added: [added("<mask>", { lstrip: true, rstrip: true })],
    aligned: true,
  },
  "Llama 3": {
    pre: pre(split(LLAMA3_PATTERN), bytes),
    post: { type: "Sequence", processors: [byteLevel(), template] },
    model: "bytes",
    options: { ignore_merges: true },
    added: ADDED,
    aligned: true,
  },
  Qwen2: { normalizer: { type: "NFC" }, pre: pre(split(QWEN2_PATTERN), bytes), post: byteLevel(), model: "bytes" },
  "GPT-2's pattern as a split": {
    pre: pre(split(GPT2_PATTERN, "Removed", true), bytes),
    model: "bytes",
    aligned: true,
  },
  "SmolLM: digits, then bytes": {
    pre: pre({ type: "Digits", individual_digits: true }, byteLevel()),
    model: "bytes",
    added: ADDED,
    aligned: true,
  },
  "runs of digits": {
    pre: pre({ type: "Digits", individual_digits: false }, byteLevel()),
    model: "bytes",
    aligned: true,
  },
  "bytes without words": {
    pre: byteLevel({ use_regex: false, add_prefix_space: true }),
    model: "bytes",
    aligned: true,
  },
  "Llama 2": {
    normalizer: normalizers({ type: "Prepend", prepend: "▁" }, replace(" ", "▁")),
    pre: null,
    post: template,
    decoder: llama2Decoder,
    model: "characters",
    options: { unk_token: "<unk>", fuse_unk: true, byte_fallback: true },
    added: ADDED,
    aligned: true,
  },
  "Llama 2 by Metaspace": {
    pre: metaspace("first", false),
    post: template,
    decoder: llama2Decoder,
    model: "characters",
    options: { unk_token: "<unk>", fuse_unk: true, byte_fallback: true },
    added: [added("<|end|>"), added("日", { special: false })],
    aligned: true,
  },
  "characters, unknown ones fused": {
    normalizer: normalizers({ type: "NFKC" }, { type: "Lowercase" }),
    pre: metaspace("always"),
    model: "characters",
    options: { unk_token: "<unk>", fuse_unk: true },
  },
  "characters, unknown ones one by one": {
    normalizer: { type: "Lowercase" },
    pre: { type: "WhitespaceSplit" },
    model: "characters",
    options: { unk_token: "<unk>" },
    aligned: true,
  },
  "characters, unknown ones left out": { pre: { type: "Whitespace" }, model: "characters" },
  "the end of a word": {
    pre: { type: "BertPreTokenizer" },
    model: "characters",
    options: { unk_token: "<unk>", end_of_word_suffix: "</w>", continuing_subword_prefix: "" },
    aligned: true,
  },
  Unigram: { pre: metaspace("always"), post: template, model: "unigram", added: ADDED, aligned: true },
  "Unigram, the first word only": {
    normalizer: normalizers({ type: "NFKC" }, replace("  ", " ")),
    pre: pre({ type: "WhitespaceSplit" }, metaspace("first")),
    model: "unigram",
    options: { byte_fallback: true },
    added: [added("<|end|>"), added("日", { special: false })],
  },
  "XLM-R": {
    normalizer: normalizers(charsmap, spaces),
    pre: pre({ type: "WhitespaceSplit" }, metaspace("always")),
    post: { ...roberta, trim_offsets: false, add_prefix_space: false },
    model: "unigram",
    added: ADDED,
  },
  T5: { normalizer: charsmap, pre: metaspace("always"), post: template, model: "unigram" },
  "Unigram, without words": { pre: metaspace("never", false), model: "unigram", aligned: true },
};

/** Merges of the corpus, learned by counting pairs. */
function learn(words: readonly string[][], count: number): { alphabet: string[]; merges: [string, string][] } {
  const alphabet = [...new Set(words.flat())].sort();
  const tokens = [...alphabet];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [string, string][] = [];
  mergePairs(
    words.map((word) => word.map((piece) => ids.get(piece) as number)),
    words.map(() => 1),
    1,
    (a, b) => {
      if (merges.length >= count) return undefined;
      const [left, right] = [tokens[a] as string, tokens[b] as string];
      merges.push([left, right]);
      const joined = left + right;
      const known = ids.get(joined);
      if (known !== undefined) return known;
      ids.set(joined, tokens.length);
      return tokens.push(joined) - 1;
    },
  );
  return { alphabet, merges };
}

const wordsOf = (separator: RegExp): string[] => CORPUS.flatMap((line) => line.split(separator)).filter(Boolean);
const asBytes = (word: string): string[] => Array.from(new TextEncoder().encode(word), characterOfByte);

function modelOf({ model, options, decoder }: Kind): { model: object; decoder: object | null } {
  const head = ["<s>", "</s>", "<unk>"];
  if (model === "unigram") {
    const { merges } = learn(
      wordsOf(/(?= )/).map((word) => Array.from(word.replace(" ", "▁"))),
      160,
    );
    const letters = Array.from("abcdehilnorstvwy▁.,!'日本😀éαñ");
    const pieces = [...new Set([...letters, ...merges.map((pair) => pair.join(""))])];
    const all = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    const vocab = [...head, ...all, ...pieces].map((token, i): [string, number] => [
      token,
      i < 3 ? 0 : -2 - ((i * 7919) % 97) / 9 - (token.length > 1 ? 0 : 2),
    ]);
    return {
      model: { type: "Unigram", unk_id: 2, vocab, byte_fallback: false, ...options },
      decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
    };
  }
  const overBytes = model === "bytes";
  const suffix = (options as { end_of_word_suffix?: string } | undefined)?.end_of_word_suffix ?? "";
  const words = overBytes
    ? wordsOf(/(?= )/).map(asBytes)
    : wordsOf(/(?= )/).map((word) => {
        const letters = Array.from(suffix === "" ? word.replace(" ", "▁") : word.trim());
        return letters.map((letter, i) => (i === letters.length - 1 ? letter + suffix : letter));
      });
  const { alphabet, merges } = learn(words, 200);
  const letters = overBytes ? Array.from({ length: 256 }, (_, byte) => characterOfByte(byte)) : alphabet;
  const fallback = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const tokens = [
    ...new Set([
      ...head,
      ...(overBytes ? [] : fallback),
      ...letters,
      ...alphabet,
      ...merges.map((pair) => pair.join("")),
      // A token that merges do not lead to.
      ...(overBytes ? ["?d=e"] : []),
    ]),
  ];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      ...options,
      vocab,
      merges: merges.map((pair) => pair.join(" ")),
    },
    decoder: decoder ?? (overBytes ? byteLevel() : { type: "BPEDecoder", suffix: "</w>" }),
  };
}

export function jsonOf(kind: Kind): string {
  const { model, decoder } = modelOf(kind);
  const vocab = (model as { vocab: Record<string, number> | unknown[] }).vocab;
  let next = Array.isArray(vocab) ? vocab.length : Object.keys(vocab).length;
  const idOf = (content: string): number => {
    const index = Array.isArray(vocab) ? vocab.findIndex((item) => (item as [string])[0] === content) : vocab[content];
    return index === undefined || index < 0 ? next++ : index;
  };
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: ((kind.added ?? []) as { content: string }[]).map((token) => ({ id: idOf(token.content), ...token })),
    normalizer: kind.normalizer ?? null,
    pre_tokenizer: kind.pre,
    post_processor: kind.post ?? null,
    decoder,
    model,
  });
}

/** A tokenizer that does nothing but cut by an expression. */
export const splitJson = (pattern: string): string => jsonOf({ pre: pre(split(pattern), bytes), model: "bytes" });

/** Text in code points, as the reference counts, to code units. */
function codeUnits(text: string): (place: number) => number {
  const starts = [0];
  for (const character of text) starts.push((starts.at(-1) as number) + character.length);
  return (place) => starts[place] ?? text.length;
}

/** Compares every text, and every text with the one before it as a pair. The ids of all, as a digest. */
export async function comparePieces(
  name: string,
  json: string,
  texts: readonly string[],
  aligned: boolean,
): Promise<string> {
  const own = loadTokenizer({ tokenizerJson: json }, { maxLength: 1 << 20 });
  const reference = Reference.fromString(json);
  const encodings = await reference.encodeBatch([...texts]);
  const digest = createHash("sha256");
  const differ: string[] = [];
  const complain = (text: string, what: string, given: unknown, expected: unknown): void => {
    const hex = Array.from(text, (one) => one.codePointAt(0)?.toString(16)).join(" ");
    differ.push(`${what} of ${JSON.stringify(text)} (${hex}): ${String(given)}; the reference: ${String(expected)}`);
  };
  for (const [i, text] of texts.entries()) {
    const expected = encodings[i];
    assert.ok(expected);
    const { ids, offsets, wordStarts } = own.encode(text, { offsets: true, wordStarts: true });
    digest.update(new Uint8Array(ids.buffer));
    if (!isDeepEqual(ids, expected.getIds())) complain(text, "ids", ids, expected.getIds());
    else if (!isDeepEqual(wordStarts, wordStartsOf(expected)))
      complain(text, "words", wordStarts, wordStartsOf(expected));
    else if (aligned) {
      const unit = codeUnits(text);
      const places = expected.getOffsets().flat().map(unit);
      if (!isDeepEqual(offsets, places)) complain(text, "offsets", offsets, places);
    }
    if (i % 8 !== 0) continue;
    const decoded = await reference.decode(expected.getIds(), false);
    const ours = own.decode(ids, { skipSpecialTokens: false });
    if (ours !== decoded && ids.length > 0) complain(text, "text", ours, decoded);
    const other = texts[i - 1] ?? "";
    const pair = await reference.encode(text, other);
    const both = own.encode(text, { pair: other });
    if (!isDeepEqual(both.ids, pair.getIds())) complain(text, "ids of a pair", both.ids, pair.getIds());
    if (!isDeepEqual(both.typeIds, pair.getTypeIds()))
      complain(text, "types of a pair", both.typeIds, pair.getTypeIds());
  }
  assert.equal(differ.length, 0, `${name}: ${differ.length} differ\n${differ.slice(0, 6).join("\n")}`);
  return digest.digest("hex");
}

const isDeepEqual = (given: Int32Array | Uint8Array, expected: readonly number[]): boolean =>
  given.length === expected.length && expected.every((value, i) => value === given[i]);

/** The `Precompiled` normalizer with CHARSMAP: the reference's own, and ours, of one text. */
export function normalizersOfCharsmap(): readonly [(text: string) => string, (text: string) => string] {
  const base64 = charsmapOf(CHARSMAP);
  const reference = precompiledReference([...Buffer.from(base64, "base64")]);
  const own = precompiled(new Charsmap(base64, "normalizer"));
  return [(text) => reference.normalizeString(text), (text) => textOfPiece(own(pieceOf(text, 0, text.length)))];
}
