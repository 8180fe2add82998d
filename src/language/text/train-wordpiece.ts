/**
 * Trains a WordPiece vocabulary on texts and gives it as a tokenizer whose files open in Python's `tokenizers` and
 * `transformers`. The same bag of texts gives the same vocabulary, byte for byte, in any order of the texts.
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { BERT_NAMES, bertTokenizerJson } from "./files.ts";
import { checkText } from "./input.ts";
import { loadTokenizer } from "./load.ts";
import { mergePairs } from "./merges.ts";
import { bertSteps, Normalizer, type BertNormalizerOptions } from "./normalize.ts";
import { BERT_SPLITS } from "./pipeline.ts";
import type { SyncTokenizer } from "./types.ts";
import { GrowingVocabulary } from "./vocabulary.ts";
import { Words } from "./words.ts";

const PREFIX = "##";
const MAX_WORD = 100;

const trainOptions = z.strictObject({
  /** Tokens at most, special ones and single characters included. */
  vocabSize: z.int().min(64).max(500_000).default(8192),
  /** A pair that occurs less often is not joined. */
  minFrequency: z.int().min(1).max(1_000_000).default(2),
  /** Lowercase and strip accents, as BERT's uncased models do. */
  lowercase: z.boolean().default(true),
  /** More special tokens after BERT's five. */
  specialTokens: z.array(z.string().min(1).max(64)).max(1024).default([]),
  /**
   * Distinct characters kept at most, the most frequent ones; also at most half of what fits, as each has two forms.
   */
  limitAlphabet: z.int().min(1).max(100_000).default(1000),
  /** Longest encoding in tokens of the tokenizer that is made. */
  maxLength: z
    .int()
    .min(5)
    .max(1 << 20)
    .default(512),
});
export type TrainWordPieceOptions = z.input<typeof trainOptions>;

/** Throws OPTION_INVALID, INPUT_INVALID (with the row), or DATA_INVALID when the texts hold no word. */
export function trainWordPiece(texts: Iterable<string>, options: TrainWordPieceOptions = {}): SyncTokenizer {
  const settled = parseOptions(trainOptions, options, "the options of trainWordPiece");
  const normalizer: BertNormalizerOptions = {
    cleanText: true,
    handleChineseChars: true,
    stripAccents: settled.lowercase,
    lowercase: settled.lowercase,
  };
  const special = [...Object.values(BERT_NAMES), ...settled.specialTokens];
  if (new Set(special).size !== special.length)
    throw new LockstepError(
      "OPTION_INVALID",
      `specialTokens names a token twice, or one of ${Object.values(BERT_NAMES).join(" ")}, which are always there`,
    );
  if (special.length + 32 > settled.vocabSize)
    throw new LockstepError(
      "OPTION_INVALID",
      `vocabSize is ${settled.vocabSize}, too small for ${special.length} special tokens and an alphabet`,
    );
  const words = countWords(texts, normalizer);
  if (words.length === 0) throw new LockstepError("DATA_INVALID", "the texts hold no word to train a tokenizer on");
  const tokens = learn(words, special, settled.vocabSize, settled.minFrequency, settled.limitAlphabet);
  const json = tokenizerJson(tokens, special, settled.lowercase);
  return loadTokenizer({ tokenizerJson: `${JSON.stringify(json, null, 1)}\n` }, { maxLength: settled.maxLength });
}

/** Distinct words with their counts, in the order of UTF-16 code units. */
function countWords(texts: Iterable<string>, normalizer: BertNormalizerOptions): [string, number][] {
  const words = new Words(new Normalizer(bertSteps(normalizer)), BERT_SPLITS);
  const counts = new Map<string, number>();
  let row = 0;
  for (const text of texts) {
    checkText(text, `text ${row++}`);
    for (const word of words.all(text)) {
      if (word.text.length <= MAX_WORD) counts.set(word.text, (counts.get(word.text) ?? 0) + 1);
    }
  }
  return [...counts].sort(([x], [y]) => (x < y ? -1 : 1));
}

/** Tokens in the order of their ids: special, characters that begin a word, characters inside a word, joined pieces. */
function learn(
  counted: readonly [string, number][],
  special: readonly string[],
  vocabSize: number,
  minFrequency: number,
  limitAlphabet: number,
): readonly string[] {
  const vocabulary = new GrowingVocabulary(special);
  const alphabet = chooseAlphabet(counted, Math.min(limitAlphabet, (vocabSize - special.length) >> 1));
  for (const character of alphabet.first) vocabulary.add(character);
  for (const character of alphabet.inside) vocabulary.add(PREFIX + character);
  // A word with a character outside the alphabet teaches nothing: it will always be unknown.
  const kept = counted.filter(([word]) => Array.from(word).every((character) => alphabet.all.has(character)));
  const words = kept.map(([word]) =>
    Array.from(word, (character, i) => vocabulary.add(i === 0 ? character : PREFIX + character)),
  );
  const counts = kept.map(([, count]) => count);
  mergePairs(words, counts, minFrequency, (a, b) =>
    vocabulary.addWithin(vocabSize, vocabulary.token(a) + vocabulary.token(b).slice(PREFIX.length)),
  );
  return vocabulary.tokens;
}

/** The most frequent characters (of equal counts the smaller code point), each list in the order of code points. */
function chooseAlphabet(
  counted: readonly [string, number][],
  limit: number,
): { all: Set<string>; first: string[]; inside: string[] } {
  const counts = new Map<string, number>();
  const first = new Set<string>();
  const inside = new Set<string>();
  for (const [word, count] of counted) {
    Array.from(word).forEach((character, i) => {
      counts.set(character, (counts.get(character) ?? 0) + count);
      (i === 0 ? first : inside).add(character);
    });
  }
  const byCodePoint = (x: string, y: string): number => (x.codePointAt(0) as number) - (y.codePointAt(0) as number);
  const ranked = [...counts]
    .sort(([x, n], [y, m]) => m - n || byCodePoint(x, y))
    .slice(0, limit)
    .map(([character]) => character);
  const all = new Set(ranked);
  const sorted = ranked.sort(byCodePoint);
  return {
    all,
    first: sorted.filter((character) => first.has(character)),
    inside: sorted.filter((character) => inside.has(character)),
  };
}

function tokenizerJson(tokens: readonly string[], special: readonly string[], lowercase: boolean): object {
  const vocab = Object.fromEntries(tokens.map((token, i) => [token, i]));
  return {
    ...bertTokenizerJson(vocab, BERT_NAMES, { lowercase }),
    added_tokens: special.map((content, i) => ({
      id: i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
  };
}
