/**
 * The reference implementation (npm `tokenizers`, Hugging Face's Rust library) as an oracle: tokenizers of every part
 * that our own code has, and seeded random texts that are full of what Unicode does to them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { Tokenizer as Reference } from "tokenizers";
import { loadTokenizer } from "../../src/language/text/index.ts";

interface Json {
  normalizer: unknown;
  pre_tokenizer: unknown;
  added_tokens: Record<string, unknown>[];
  model: { vocab: Record<string, number> };
}

const SHORT = [
  "a",
  "e",
  "i",
  "o",
  "s",
  "t",
  "n",
  "1",
  "2",
  ".",
  ",",
  "-",
  "'",
  "!",
  "σ",
  "ς",
  "α",
  "é",
  "ı",
  "ß",
  "日",
  "本",
];
const ODD = [
  "𠀀",
  "ᄀ",
  "ᅡ",
  "ᆨ",
  "가",
  "각",
  "ﬁ",
  "ﷺ",
  "²",
  "\u0301",
  "\u0327",
  "\u{1d165}",
  "\u{1d16d}",
  "\u302e",
  "\u0e38",
];

const bert = (options: object = {}) => ({
  type: "BertNormalizer",
  clean_text: true,
  handle_chinese_chars: true,
  strip_accents: null,
  lowercase: true,
  ...options,
});
const sequence = (...types: string[]) => ({ type: "Sequence", normalizers: types.map((type) => ({ type })) });
const added = (content: string, options: object = {}) => ({
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: true,
  special: false,
  ...options,
});

/** By name: the normalizer, the pre-tokenizer, and added tokens beside BERT's five. */
const KINDS: Readonly<Record<string, readonly [unknown, unknown, ...object[]]>> = {
  "BERT, uncased": [bert(), { type: "BertPreTokenizer" }],
  "BERT, cased": [bert({ lowercase: false }), { type: "BertPreTokenizer" }],
  "BERT, cased without accents": [bert({ lowercase: false, strip_accents: true }), { type: "BertPreTokenizer" }],
  "BERT, accents kept, not cleaned": [
    bert({ strip_accents: false, clean_text: false, handle_chinese_chars: false }),
    { type: "BertPreTokenizer" },
  ],
  "from scratch": [sequence("NFD", "Lowercase", "StripAccents"), { type: "Whitespace" }],
  "spaces and punctuation": [
    bert(),
    { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, { type: "Punctuation", behavior: "Isolated" }] },
  ],
  "composed compatibly, digits": [
    sequence("NFKC", "Lowercase"),
    { type: "Sequence", pretokenizers: [{ type: "BertPreTokenizer" }, { type: "Digits", individual_digits: true }] },
  ],
  composed: [sequence("NFC"), { type: "WhitespaceSplit" }],
  "decomposed compatibly": [
    sequence("NFKD", "StripAccents", "NFC", "Lowercase"),
    { type: "Sequence", pretokenizers: [{ type: "Whitespace" }, { type: "Digits", individual_digits: false }] },
  ],
  "runs of punctuation": [
    sequence("Lowercase", "NFD"),
    { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, { type: "Punctuation", behavior: "Contiguous" }] },
  ],
  "no pre-tokenizer": [bert(), null],
  "punctuation removed": [null, { type: "Punctuation", behavior: "Removed" }],
  "added tokens": [
    bert(),
    { type: "BertPreTokenizer" },
    added("Été"),
    added("ta"),
    added("at", { single_word: true }),
    added("<x>", { lstrip: true, rstrip: true, normalized: false, special: true }),
    added("s t", { rstrip: true }),
    added("n", { single_word: true, lstrip: true }),
  ],
  "added tokens from scratch": [
    sequence("NFD", "Lowercase", "StripAccents"),
    { type: "Whitespace" },
    added("É1", { lstrip: true }),
    added("ΑΣ"),
    added("é", { normalized: false, single_word: true }),
  ],
};

function tokenizerJson([normalizer, preTokenizer, ...tokens]: readonly [unknown, unknown, ...object[]]): string {
  const path = new URL("../tiny/tokenizer-uncased/tokenizer.json", import.meta.url);
  const json = JSON.parse(readFileSync(path, "utf8")) as Json;
  const { vocab } = json.model;
  for (const piece of [...SHORT, ...ODD])
    for (const form of [piece, `##${piece}`, piece.normalize("NFD"), `##${piece.normalize("NFD")}`])
      vocab[form] ??= Object.keys(vocab).length;
  let id = Object.keys(vocab).length;
  for (const token of tokens as { content: string }[])
    json.added_tokens.push({ id: vocab[token.content] ?? id++, ...token });
  return JSON.stringify({ ...json, normalizer, pre_tokenizer: preTokenizer });
}

/** Seeded, so that a failure comes again. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed >>> 0; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

export const PIECES = [
  ...Array.from(
    "abestnou AEST 0123 .,-'!?\"()[]<>$#_ \t\n\r\u00a0\u3000\u0085\u200b\u200d\ufeff\u2028\u00ad\u0000\u0007\ufffd",
  ),
  ...["é", "É", "e\u0301", "ü", "ß", "İ", "ı", "Σ", "σ", "ΑΣ", "ΟΔΟΣ ", "ς", "ﬁ", "ﷺ", "²", "½", "Ⅷ", "Ａ", "ｶﾞ", "ﾞ"],
  ...["日", "本", "𠀀", "丽", "가", "각", "한", "ㄱ", "か\u3099", "ก\u0e38", "म\u094d", "ক\u09be", "ा"],
  ...["😀", "👩‍👩‍👧", "🇩🇪", "❤️", "…", "—", "’", "«", "¿", "、", "。", "٣", "७", "𝟜", "ⓐ", "ª"],
  ...["[SEP]", "[CLS]", "[MASK]", "[UNK]", "<x>", " <x> ", "ta", "at", "s t", "Été", "n", "É1", "ΑΣ"],
];

export function* randomTexts(count: number, seed: number, pieces: readonly string[] = PIECES): Generator<string> {
  const random = numbers(seed);
  const below = (bound: number): number => random.next().value % bound;
  const marks = [
    0x300, 0x301, 0x327, 0x345, 0x334, 0x5b0, 0x64b, 0x93c, 0x94d, 0xe38, 0x302e, 0x3099, 0x1d165, 0x1d16d,
  ];
  const character = (): string => {
    switch (below(8)) {
      case 0:
        return String.fromCodePoint(marks[below(marks.length)] as number);
      case 1:
        return String.fromCodePoint(below(0x3000));
      case 2:
        return String.fromCodePoint(0x1100 + below(0x100));
      case 3: {
        const code = below(0x20000);
        return code >= 0xd800 && code < 0xe000 ? "x" : String.fromCodePoint(code);
      }
      default:
        return pieces[below(pieces.length)] as string;
    }
  };
  for (let i = 0; i < count; i++) yield Array.from({ length: 1 + below(24) }, character).join("");
}

/** For each kind of tokenizer (all, or those named), that our own code and the reference give the same ids. */
export async function compareAll(
  texts: readonly string[],
  kinds: readonly string[] = Object.keys(KINDS),
): Promise<void> {
  for (const name of kinds) {
    const kind = KINDS[name];
    assert.ok(kind, name);
    await compare(name, tokenizerJson(kind), texts);
  }
}

/** 1 where a token has no word, or not that of the one before it. */
export function wordStartsOf(encoding: { getWordIds(): (number | null | undefined)[] }): number[] {
  const words = encoding.getWordIds();
  return words.map((word, i) => (typeof word === "number" && i > 0 && word === words[i - 1] ? 0 : 1));
}

async function compare(name: string, json: string, texts: readonly string[]): Promise<void> {
  const own = loadTokenizer({ tokenizerJson: json }, { maxLength: 1 << 20 });
  const encodings = await Reference.fromString(json).encodeBatch([...texts]);
  const differ = texts.flatMap((text, i) => {
    const encoding = encodings[i];
    assert.ok(encoding);
    const expected = encoding.getIds();
    const { ids, wordStarts } = own.encode(text, { wordStarts: true });
    return isDeepStrictEqual([...ids, ...wordStarts], [...expected, ...wordStartsOf(encoding)])
      ? []
      : [`${JSON.stringify(text)} (${hexOf(text)}): ${String(Array.from(ids))}, the reference ${String(expected)}`];
  });
  assert.equal(
    differ.length,
    0,
    `${name}: ${differ.length} of ${texts.length} differ\n${differ.slice(0, 5).join("\n")}`,
  );
}

const hexOf = (text: string): string =>
  Array.from(text, (character) => (character.codePointAt(0) as number).toString(16)).join(" ");
