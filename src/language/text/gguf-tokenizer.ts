/**
 * The tokenizer in a GGUF file's metadata (`tokenizer.…`) as the files that a Hugging Face folder has. Two models are
 * followed: byte-level BPE ("gpt2": tokens and merges, with the name of how texts are cut), and SentencePiece's BPE
 * ("llama": tokens with scores, from which the merges follow as `transformers` derives them when it converts such a
 * model). What each name means is that of llama.cpp (`llama-vocab.cpp`, https://github.com/ggml-org/llama.cpp).
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { LLAMA3_PATTERN, QWEN2_PATTERN } from "./scanners.ts";
import { TOKENIZER_LIMITS } from "./schema.ts";

/** How a token is used: by its number in the file. */
const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const id = z.int().min(0).max(TOKENIZER_LIMITS.vocab).optional();
const shape = z.object({
  "tokenizer.ggml.model": z.string(),
  "tokenizer.ggml.pre": z.string().optional(),
  "tokenizer.ggml.tokens": z.array(z.string().max(TOKENIZER_LIMITS.tokenLength)).min(1).max(TOKENIZER_LIMITS.vocab),
  "tokenizer.ggml.token_type": z.instanceof(Int32Array).optional(),
  "tokenizer.ggml.scores": z.instanceof(Float32Array).optional(),
  "tokenizer.ggml.merges": z
    .array(z.string())
    .max(4 * TOKENIZER_LIMITS.vocab)
    .optional(),
  "tokenizer.ggml.bos_token_id": id,
  "tokenizer.ggml.eos_token_id": id,
  "tokenizer.ggml.unknown_token_id": id,
  "tokenizer.ggml.padding_token_id": id,
  "tokenizer.ggml.add_bos_token": z.boolean().optional(),
  "tokenizer.ggml.add_eos_token": z.boolean().optional(),
  "tokenizer.ggml.add_space_prefix": z.boolean().optional(),
  "tokenizer.chat_template": z.string().optional(),
});
type Metadata = z.output<typeof shape>;

interface Vocabulary {
  readonly metadata: Metadata;
  /** By id. */
  readonly tokens: readonly string[];
  readonly kinds: Int32Array;
  /** Ids of all tokens but those that only fill the table up. */
  readonly vocab: Readonly<Record<string, number>>;
}

/** What the two models differ in. */
interface Made {
  readonly normalizer: object | null;
  readonly pre_tokenizer: object | null;
  readonly decoder: object;
  readonly model: object;
  /** What goes before the template, if anything. */
  readonly processors: readonly object[];
  /** Whether a text gets a first token where the file does not say. */
  readonly addsBos: boolean;
}

const MODELS: Readonly<Record<string, (vocabulary: Vocabulary) => Made>> = { gpt2: byteLevelBpe, llama: pieceBpe };

/**
 * `tokenizer.json` and `tokenizer_config.json`; `contextLength` is the longest row in tokens.
 * @throws TOKENIZER_INVALID for metadata that does not hold, or a tokenizer that is not followed
 */
export function tokenizerOfGguf(
  metadata: ReadonlyMap<string, unknown>,
  contextLength: number,
): Readonly<Record<"tokenizer.json" | "tokenizer_config.json", string>> {
  const vocabulary = vocabularyOf(
    parseOptions(shape, Object.fromEntries(metadata), "the GGUF file's metadata", "TOKENIZER_INVALID"),
  );
  const name = vocabulary.metadata["tokenizer.ggml.model"];
  const make = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (make === undefined)
    throw invalid(`its tokenizer is "${name.slice(0, 60)}"; ${Object.keys(MODELS).join(" and ")} are read`);
  const { processors, addsBos, ...parts } = make(vocabulary);
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary),
    ...parts,
    post_processor: postProcessor(vocabulary, processors, addsBos),
  };
  return {
    "tokenizer.json": JSON.stringify(json),
    "tokenizer_config.json": `${JSON.stringify(configOf(vocabulary, contextLength), null, 2)}\n`,
  };
}

function vocabularyOf(metadata: Metadata): Vocabulary {
  const tokens = metadata["tokenizer.ggml.tokens"];
  const kinds = metadata["tokenizer.ggml.token_type"] ?? new Int32Array(tokens.length).fill(KIND.normal);
  if (kinds.length !== tokens.length)
    throw invalid(`it has ${tokens.length} tokens and ${kinds.length} kinds of tokens (tokenizer.ggml.token_type)`);
  const vocab = new Map<string, number>();
  tokens.forEach((token, at) => {
    if (kinds[at] === KIND.unused) return;
    const other = vocab.get(token);
    if (other !== undefined) throw invalid(`the tokens ${other} and ${at} are both ${JSON.stringify(token)}`);
    vocab.set(token, at);
  });
  return { metadata, tokens, kinds, vocab: Object.fromEntries(vocab) };
}

function addedTokens({ tokens, kinds }: Vocabulary): readonly object[] {
  return tokens.flatMap((content, at) => {
    const kind = kinds[at];
    const special = kind === KIND.control || kind === KIND.unknown;
    if (!special && kind !== KIND.userDefined) return [];
    return [{ id: at, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
}

const byteLevel = (options: object = {}): object => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
  ...options,
});
const cutBy = (Regex: string): object => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
    byteLevel({ use_regex: false }),
  ],
});

interface Cut {
  readonly normalizer: object | null;
  readonly pre_tokenizer: object;
  /** A word that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
  readonly addsBos: boolean;
}
const GPT2_CUT: Cut = { normalizer: null, pre_tokenizer: byteLevel(), ignoreMerges: false, addsBos: false };
const LLAMA3_CUT: Cut = {
  normalizer: null,
  pre_tokenizer: cutBy(LLAMA3_PATTERN),
  ignoreMerges: true,
  addsBos: true,
};
const DIGITS_CUT: Cut = {
  ...GPT2_CUT,
  pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel()] },
};

/** By `tokenizer.ggml.pre`: how texts are cut before the merges. */
const CUTS: Readonly<Record<string, Cut>> = {
  "gpt-2": GPT2_CUT,
  "llama-bpe": LLAMA3_CUT,
  llama3: LLAMA3_CUT,
  "llama-v3": LLAMA3_CUT,
  qwen2: { ...GPT2_CUT, normalizer: { type: "NFC" }, pre_tokenizer: cutBy(QWEN2_PATTERN) },
  smollm: DIGITS_CUT,
};

function byteLevelBpe({ metadata, vocab }: Vocabulary): Made {
  const name = metadata["tokenizer.ggml.pre"];
  const cut = name !== undefined && Object.hasOwn(CUTS, name) ? CUTS[name] : undefined;
  if (cut === undefined)
    throw invalid(
      name === undefined
        ? "it does not say how its tokenizer cuts texts (tokenizer.ggml.pre); fetch a newer conversion of the model"
        : `its tokenizer cuts texts by "${name.slice(0, 60)}"; ${Object.keys(CUTS).join(", ")} are read`,
    );
  const merges = (metadata["tokenizer.ggml.merges"] ?? []).map((merge, at) => {
    const middle = merge.indexOf(" ", 1);
    if (middle < 0) throw invalid(`its merge ${at} is ${JSON.stringify(merge.slice(0, 60))}, without a space in it`);
    return [merge.slice(0, middle), merge.slice(middle + 1)] as const;
  });
  return {
    normalizer: cut.normalizer,
    pre_tokenizer: cut.pre_tokenizer,
    decoder: byteLevel({ add_prefix_space: true }),
    model: bpeModel({ unk_token: null, ignore_merges: cut.ignoreMerges, vocab, merges }),
    processors: [byteLevel({ trim_offsets: false })],
    addsBos: cut.addsBos,
  };
}

function bpeModel(fields: object): object {
  return {
    type: "BPE",
    dropout: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...fields,
  };
}

const META = "\u2581";

function pieceBpe(vocabulary: Vocabulary): Made {
  const { metadata, tokens, vocab } = vocabulary;
  const unknown = metadata["tokenizer.ggml.unknown_token_id"] ?? vocabulary.kinds.indexOf(KIND.unknown);
  const prefix = metadata["tokenizer.ggml.add_space_prefix"] ?? true;
  const space = { type: "Replace", pattern: { String: " " }, content: META };
  return {
    normalizer: prefix ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: META }, space] } : space,
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: META }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: bpeModel({
      unk_token: tokens[unknown] ?? null,
      fuse_unk: true,
      byte_fallback: vocabulary.kinds.includes(KIND.byte),
      vocab,
      merges: mergesOf(vocabulary),
    }),
    processors: [],
    addsBos: true,
  };
}

/** Pieces of more code points than this are no merges: splitting them costs their square. */
const LONGEST_PIECE = 512;

/**
 * Every way to put a piece together of two others, the best scores first; of one score, by the lengths of the two and
 * then by their ids. Only ordinary pieces take part, since the others are never found by merging.
 */
function mergesOf({ metadata, tokens, kinds }: Vocabulary): readonly (readonly [string, string])[] {
  const scores = metadata["tokenizer.ggml.scores"];
  if (scores?.length !== tokens.length)
    throw invalid(`it has ${tokens.length} tokens and ${scores?.length ?? 0} scores (tokenizer.ggml.scores)`);
  const ids = new Map<string, number>();
  tokens.forEach((token, at) => {
    if (kinds[at] === KIND.normal || kinds[at] === KIND.byte) ids.set(token, at);
  });
  const merges: { left: string; right: string; score: number; lengths: readonly [number, number]; order: number }[] =
    [];
  for (const [piece, at] of ids) {
    const points = Array.from(piece);
    if (points.length > LONGEST_PIECE)
      throw invalid(`its token ${at} has ${points.length} characters; at most ${LONGEST_PIECE} are read`);
    const ways = splits(points, ids);
    for (const { left, right, length } of ways)
      merges.push({
        left,
        right,
        score: scores[at] as number,
        lengths: [length, points.length - length],
        order: merges.length,
      });
  }
  merges.sort(
    (a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1] || a.order - b.order,
  );
  return merges.map(({ left, right }) => [left, right] as const);
}

/** The ways to cut a piece into two that are pieces too, by their ids. */
function splits(
  points: readonly string[],
  ids: ReadonlyMap<string, number>,
): readonly { readonly left: string; readonly right: string; readonly length: number }[] {
  const ways: { left: string; right: string; length: number; a: number; b: number }[] = [];
  for (let length = 1; length < points.length; length++) {
    const left = points.slice(0, length).join("");
    const right = points.slice(length).join("");
    const [a, b] = [ids.get(left), ids.get(right)];
    if (a !== undefined && b !== undefined) ways.push({ left, right, length, a, b });
  }
  return ways.sort((x, y) => x.a - y.a || x.b - y.b);
}

function postProcessor(
  { metadata, tokens }: Vocabulary,
  processors: readonly object[],
  addsBos: boolean,
): object | null {
  const wanted = [
    (metadata["tokenizer.ggml.add_bos_token"] ?? addsBos) ? metadata["tokenizer.ggml.bos_token_id"] : undefined,
    (metadata["tokenizer.ggml.add_eos_token"] ?? false) ? metadata["tokenizer.ggml.eos_token_id"] : undefined,
  ];
  const [bos, eos] = wanted.map((at) => (at === undefined ? [] : [named(tokens, at)])) as [string[], string[]];
  if (bos.length + eos.length === 0) return processors[0] ?? null;
  const marks = (names: readonly string[], type_id: number): object[] =>
    names.map((one) => ({ SpecialToken: { id: one, type_id } }));
  const sequence = (letter: string, type_id: number): object[] => [
    ...marks(bos, type_id),
    { Sequence: { id: letter, type_id } },
    ...marks(eos, type_id),
  ];
  const template = {
    type: "TemplateProcessing",
    single: sequence("A", 0),
    pair: [...sequence("A", 0), ...sequence("B", 1)],
    special_tokens: Object.fromEntries(
      [...bos, ...eos].map((one) => [one, { id: one, ids: [tokens.indexOf(one)], tokens: [one] }]),
    ),
  };
  return processors.length === 0 ? template : { type: "Sequence", processors: [...processors, template] };
}

function configOf({ metadata, tokens }: Vocabulary, contextLength: number): object {
  const token = (key: "bos" | "eos" | "unknown" | "padding", name: string): object => {
    const at = metadata[`tokenizer.ggml.${key}_token_id`];
    return at === undefined ? {} : { [name]: named(tokens, at) };
  };
  const template = metadata["tokenizer.chat_template"];
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: contextLength,
    clean_up_tokenization_spaces: false,
    ...token("bos", "bos_token"),
    ...token("eos", "eos_token"),
    ...token("unknown", "unk_token"),
    ...token("padding", "pad_token"),
    ...(template === undefined ? {} : { chat_template: template }),
  };
}

function named(tokens: readonly string[], at: number): string {
  const token = tokens[at];
  if (token === undefined) throw invalid(`it names the token ${at}, and has ${tokens.length}`);
  return token;
}

function invalid(why: string): LockstepError {
  return new LockstepError("TOKENIZER_INVALID", `the GGUF file's tokenizer cannot be read: ${why}`);
}
