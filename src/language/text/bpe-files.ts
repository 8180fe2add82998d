/**
 * Tokenizers that come as `vocab.json` and `merges.txt` (GPT-2's `encoder.json` and `vocab.bpe`): the `tokenizer.json`
 * that Python's `transformers` makes of the two for each class.
 */
import { QWEN2_PATTERN } from "./scanners.ts";
import { invalid, invalidConfig, quote, TOKENIZER_LIMITS } from "./schema.ts";

interface Made {
  readonly normalizer: object | null;
  readonly pre_tokenizer: object;
  readonly post_processor: object;
  /** Names of special tokens, with how each is found in a text. */
  readonly special: Readonly<Record<string, { readonly lstrip?: boolean }>>;
}

const byteLevel = (options: object): object => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
  ...options,
});

/** By class: `prefix` says whether a space goes before a text. */
const CLASSES: Readonly<Record<string, (prefix: boolean, idOf: (token: string) => number | undefined) => Made>> = {
  GPT2Tokenizer: (prefix) => ({
    normalizer: null,
    pre_tokenizer: byteLevel({ add_prefix_space: prefix }),
    post_processor: byteLevel({ trim_offsets: false }),
    special: { "<|endoftext|>": {} },
  }),
  RobertaTokenizer: (prefix, idOf) => ({
    normalizer: null,
    pre_tokenizer: byteLevel({ add_prefix_space: prefix }),
    post_processor: {
      type: "RobertaProcessing",
      sep: ["</s>", idOf("</s>")],
      cls: ["<s>", idOf("<s>")],
      trim_offsets: true,
      add_prefix_space: prefix,
    },
    special: { "<s>": {}, "<pad>": {}, "</s>": {}, "<unk>": {}, "<mask>": { lstrip: true } },
  }),
  Qwen2Tokenizer: () => ({
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: QWEN2_PATTERN }, behavior: "Isolated", invert: false },
        byteLevel({ use_regex: false }),
      ],
    },
    post_processor: byteLevel({ trim_offsets: false, use_regex: false }),
    special: { "<|endoftext|>": {} },
  }),
};

/** Throws TOKENIZER_INVALID for a class that is not made of the two files, or files that are no such pair. */
export function bpeTokenizerJson(
  vocabJson: string | object,
  mergesTxt: string,
  className: string,
  prefix: boolean,
): Record<string, unknown> {
  const make = Object.hasOwn(CLASSES, className) ? CLASSES[className] : undefined;
  if (make === undefined)
    throw invalidConfig(
      `"tokenizer_class" is ${quote(className)}, which is not made of vocab.json and merges.txt; these are: ` +
        Object.keys(CLASSES).join(", "),
    );
  const vocab = readVocab(vocabJson);
  const idOf = (token: string): number | undefined => (Object.hasOwn(vocab, token) ? vocab[token] : undefined);
  const { special, ...parts } = make(prefix, idOf);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Object.entries(special).flatMap(([content, { lstrip = false }]) => {
      const id = idOf(content);
      return id === undefined
        ? []
        : [{ id, content, single_word: false, lstrip, rstrip: false, normalized: false, special: true }];
    }),
    ...parts,
    decoder: byteLevel({}),
    model: bpeModel(vocab, readMerges(mergesTxt)),
  };
}

export const bpeModel = (vocab: Readonly<Record<string, number>>, merges: readonly string[]): object => ({
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: "",
  end_of_word_suffix: "",
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  vocab,
  merges,
});

function readVocab(vocab: string | object): Readonly<Record<string, number>> {
  if (typeof vocab !== "string") return vocab as Readonly<Record<string, number>>;
  if (vocab.length > TOKENIZER_LIMITS.jsonLength)
    throw invalidConfig(
      `it has ${vocab.length} characters; at most ${TOKENIZER_LIMITS.jsonLength} are read`,
      "vocab.json",
    );
  try {
    // Ids are looked at with those of the whole tokenizer.
    return JSON.parse(vocab) as Readonly<Record<string, number>>;
  } catch (error) {
    throw invalidConfig(`it is not JSON: ${(error as Error).message}`, "vocab.json");
  }
}

/** A merge a line, after a line that may say the version. */
function readMerges(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines[0]?.startsWith("#version") === true) lines.shift();
  const wrong = lines.findIndex((line) => !/^[^ ]+ [^ ]+$/.test(line));
  if (wrong >= 0)
    throw invalidConfig(`merge ${wrong} is ${quote(lines[wrong] as string)}, not two tokens`, "merges.txt");
  return lines;
}

/** A SentencePiece model of byte pairs: its pieces in the order of their ids, with the scores that order its merges. */
export interface ScoredPieces {
  readonly pieces: readonly (readonly [piece: string, score: number])[];
  /** Names of the pieces that stand for what is unknown, and for the beginning and end of a text. */
  readonly unknown: string;
  readonly begin: string;
  readonly end: string;
  /** Whether each text begins with the piece for it. @default true */
  readonly addsBegin?: boolean;
}

/**
 * The `tokenizer.json` of such a model, as of Llama 2 and its kin: a space is put before a text, spaces are ▁, what has
 * no piece is bytes. A piece of two others is their merge, and of two merges that of the greater score goes first.
 * Throws TOKENIZER_INVALID for a piece that is too long, or a score that is not a number.
 */
export function scoredBpeTokenizerJson({ pieces, unknown, begin, end, addsBegin = true }: ScoredPieces): object {
  const vocab = new Map(pieces.map(([piece], id) => [piece, id]));
  const special = [unknown, begin, end];
  const merges: { left: string; right: string; score: number; ids: readonly [number, number] }[] = [];
  for (const [piece, score] of pieces) {
    if (piece.length > LONGEST_SCORED || Number.isNaN(score))
      throw invalid(`the piece ${quote(piece)} is longer than ${LONGEST_SCORED} characters or has no score`);
    if (special.includes(piece)) continue;
    for (let cut = 1; cut < piece.length; cut++) {
      const [left, right] = [piece.slice(0, cut), piece.slice(cut)];
      const ids = [vocab.get(left), vocab.get(right)];
      if (ids[0] !== undefined && ids[1] !== undefined) merges.push({ left, right, score, ids: [ids[0], ids[1]] });
    }
  }
  merges.sort((x, y) => y.score - x.score || x.ids[0] - y.ids[0] || x.ids[1] - y.ids[1]);
  const replace = (sought: string, content: string): object => ({
    type: "Replace",
    pattern: { String: sought },
    content,
  });
  const place = { SpecialToken: { id: begin, type_id: 0 } };
  const sequence = (id: "A" | "B", type: number): object => ({ Sequence: { id, type_id: type } });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.flatMap((content) => {
      const id = vocab.get(content);
      return id === undefined
        ? []
        : [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }];
    }),
    normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, replace(" ", "▁")] },
    pre_tokenizer: null,
    post_processor: addsBegin
      ? {
          type: "TemplateProcessing",
          single: [place, sequence("A", 0)],
          pair: [place, sequence("A", 0), { SpecialToken: { id: begin, type_id: 1 } }, sequence("B", 1)],
          special_tokens: { [begin]: { id: begin, ids: [vocab.get(begin)], tokens: [begin] } },
        }
      : null,
    decoder: {
      type: "Sequence",
      decoders: [
        replace("▁", " "),
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      ...bpeModel(Object.fromEntries(vocab), []),
      unk_token: unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      merges: merges.map(({ left, right }) => [left, right]),
    },
  };
}

const LONGEST_SCORED = 256;
