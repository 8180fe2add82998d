/**
 * Trains byte-level byte pairs on texts (Sennrich et al. 2016, over UTF-8 bytes as GPT-2 does) and gives them as a
 * tokenizer whose files open in Python's `tokenizers` and `transformers`. Every text has tokens and comes back from
 * them unchanged. The same bag of texts gives the same vocabulary, byte for byte, in any order of the texts.
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { bpeModel } from "./bpe-files.ts";
import { characterOfByte } from "./bytes.ts";
import { checkText } from "./input.ts";
import { loadTokenizer } from "./load.ts";
import { mergePairs } from "./merges.ts";
import { pieceOf, part, textOfPiece } from "./piece.ts";
import { GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, SCANNERS, type Scanner } from "./scanners.ts";
import type { SyncTokenizer } from "./types.ts";
import { GrowingVocabulary } from "./vocabulary.ts";

/** Longest word that teaches, in bytes: what is longer is no word, and would make tokens that nothing else has. */
const MAX_WORD = 256;
const BYTES = 256;

const PATTERNS = { gpt2: GPT2_PATTERN, llama3: LLAMA3_PATTERN, qwen2: QWEN2_PATTERN } as const;

/** Special tokens that are always there, first in the vocabulary, and what stands around a text. */
const LAYOUTS = {
  decoder: {
    special: ["<|endoftext|>", "<|pad|>"],
    names: {
      unk_token: "<|endoftext|>",
      bos_token: "<|endoftext|>",
      eos_token: "<|endoftext|>",
      pad_token: "<|pad|>",
    },
    processor: (byteLevel: object): object => byteLevel,
  },
  encoder: {
    special: ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
    names: {
      bos_token: "<s>",
      eos_token: "</s>",
      unk_token: "<unk>",
      cls_token: "<s>",
      sep_token: "</s>",
      pad_token: "<pad>",
      mask_token: "<mask>",
    },
    processor: (): object => ({
      type: "RobertaProcessing",
      sep: ["</s>", 2],
      cls: ["<s>", 0],
      trim_offsets: true,
      add_prefix_space: false,
    }),
  },
} as const;

const trainOptions = z.strictObject({
  /** Tokens at most, with special ones and the 256 bytes. */
  vocabSize: z.int().min(300).max(500_000).default(8192),
  /** A pair that occurs less often is not joined. */
  minFrequency: z.int().min(1).max(1_000_000).default(2),
  /** How a text is cut into words, which no token goes beyond: as GPT-2, Llama 3 or Qwen2 do. */
  pattern: z.enum(["gpt2", "llama3", "qwen2"]).default("llama3"),
  /**
   * `decoder`: nothing around a text, and <|endoftext|> and <|pad|>. `encoder`: RoBERTa's <s> and </s> around it, and
   * <pad>, <unk> and <mask>.
   */
  layout: z.enum(["decoder", "encoder"]).default("decoder"),
  /** More special tokens after those. */
  specialTokens: z.array(z.string().min(1).max(64)).max(1024).default([]),
  /** Longest encoding in tokens of the tokenizer that is made. */
  maxLength: z
    .int()
    .min(8)
    .max(1 << 20)
    .default(512),
});
export type TrainBytePairsOptions = z.input<typeof trainOptions>;

/** Throws OPTION_INVALID, INPUT_INVALID (with the row), or DATA_INVALID when the texts hold no word. */
export function trainBytePairs(texts: Iterable<string>, options: TrainBytePairsOptions = {}): SyncTokenizer {
  const settled = parseOptions(trainOptions, options, "the options of trainBytePairs");
  const layout = LAYOUTS[settled.layout];
  const special = [...layout.special, ...settled.specialTokens];
  if (new Set(special).size !== special.length)
    throw new LockstepError(
      "OPTION_INVALID",
      `specialTokens names a token twice, or one of ${layout.special.join(" ")}, which are always there`,
    );
  if (special.length + BYTES > settled.vocabSize)
    throw new LockstepError(
      "OPTION_INVALID",
      `vocabSize is ${settled.vocabSize}, too small for ${special.length} special tokens and ${BYTES} bytes`,
    );
  const pattern = PATTERNS[settled.pattern];
  const words = countWords(texts, SCANNERS.get(pattern) as Scanner);
  if (words.length === 0) throw new LockstepError("DATA_INVALID", "the texts hold no word to train a tokenizer on");
  const { tokens, merges } = learn(words, special, settled);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: content === "<mask>",
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [{ type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false }, byteLevel],
    },
    post_processor: layout.processor(byteLevel),
    decoder: byteLevel,
    model: bpeModel(Object.fromEntries(tokens.map((token, id) => [token, id])), merges),
  };
  return loadTokenizer(
    {
      tokenizerJson: `${JSON.stringify(json, null, 1)}\n`,
      tokenizerConfig: {
        tokenizer_class: "PreTrainedTokenizerFast",
        model_max_length: settled.maxLength,
        ...layout.names,
      },
    },
    { maxLength: settled.maxLength },
  );
}

/** Distinct words in characters of bytes with their counts, in the order of UTF-16 code units. */
function countWords(texts: Iterable<string>, scan: Scanner): [string, number][] {
  const encoder = new TextEncoder();
  const counts = new Map<string, number>();
  let row = 0;
  for (const text of texts) {
    checkText(text, `text ${row++}`);
    const piece = pieceOf(text, 0, text.length);
    for (let at = 0; at < piece.to;) {
      const end = scan(piece.codes, at, piece.to);
      const word = textOfPiece(part(piece, at, end));
      if (word.length <= MAX_WORD) counts.set(word, (counts.get(word) ?? 0) + 1);
      at = end;
    }
  }
  return [...counts]
    .map(([word, count]): [string, number] => [Array.from(encoder.encode(word), characterOfByte).join(""), count])
    .filter(([word]) => word.length <= MAX_WORD)
    .sort(([x], [y]) => (x < y ? -1 : 1));
}

/** Tokens in the order of their ids: special, the bytes, what pairs become. */
function learn(
  counted: readonly [string, number][],
  special: readonly string[],
  { vocabSize, minFrequency }: z.output<typeof trainOptions>,
): { tokens: readonly string[]; merges: string[] } {
  const vocabulary = new GrowingVocabulary(special);
  for (const byte of Array.from({ length: BYTES }, (_, one) => characterOfByte(one)).sort()) vocabulary.add(byte);
  const merges: string[] = [];
  const words = counted.map(([word]) => Array.from(word, (character) => vocabulary.add(character)));
  const counts = counted.map(([, count]) => count);
  mergePairs(words, counts, minFrequency, (a, b) => {
    const [left, right] = [vocabulary.token(a), vocabulary.token(b)];
    const id = vocabulary.addWithin(vocabSize, left + right);
    if (id !== undefined) merges.push(`${left} ${right}`);
    return id;
  });
  return { tokens: vocabulary.tokens, merges };
}
