/**
 * A `tokenizer.json` from a stranger, checked before anything is built from it: size, shape, known components with
 * known fields only, ids that are small whole numbers and used once. Format: the serialization of Hugging Face
 * `tokenizers` 0.x.
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";

/**
 * Largest `tokenizer.json` in UTF-16 code units, most tokens, longest token and added token: far above any published
 * model's.
 */
export const TOKENIZER_LIMITS = Object.freeze({
  jsonLength: 64 << 20,
  vocab: 1 << 20,
  tokenLength: 4096,
  addedLength: 256,
  depth: 32,
});

const component = z.looseObject({ type: z.string() }).nullable();
export const addedToken = z.strictObject({
  id: z.int().min(0).max(TOKENIZER_LIMITS.vocab),
  content: z.string().min(1).max(TOKENIZER_LIMITS.addedLength),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});
const shape = z.strictObject({
  version: z.unknown().optional(),
  /** Only `direction` is followed (settle.ts): how much is cut, and whether, is the caller's. */
  truncation: z.looseObject({ direction: z.enum(["Left", "Right"]).optional() }).nullish(),
  padding: z.unknown().optional(),
  added_tokens: z.array(addedToken).max(65_536).default([]),
  normalizer: component.default(null),
  pre_tokenizer: component.default(null),
  post_processor: component.default(null),
  decoder: component.default(null),
  // Its entries are checked by checkVocab: a zod record of 100,000 keys is slow, and drops a token named __proto__.
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.custom<Readonly<Record<string, unknown>> | readonly unknown[]>(
      (value) => typeof value === "object" && value !== null,
      "expected an object or a list",
    ),
  }),
});

export type TokenizerJson = z.output<typeof shape>;
export type AddedTokenJson = z.output<typeof addedToken>;

/** Found in the normalized text, not in the text as it is. */
export const isNormalized = ({ normalized, special }: AddedTokenJson): boolean => normalized ?? !special;

const BYTE_LEVEL = ["add_prefix_space", "trim_offsets", "use_regex"];

/**
 * Every component of the format with its fields, by section: all are followed, by our own code or by the library.
 * Another component, or another field, is refused by its name.
 */
const FIELDS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  normalizer: {
    BertNormalizer: ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"],
    ByteLevel: [],
    Lowercase: [],
    NFC: [],
    NFD: [],
    NFKC: [],
    NFKD: [],
    Nmt: [],
    Precompiled: ["precompiled_charsmap"],
    Prepend: ["prepend"],
    Replace: ["pattern", "content"],
    Sequence: ["normalizers"],
    Strip: ["strip_left", "strip_right"],
    StripAccents: [],
  },
  pre_tokenizer: {
    BertPreTokenizer: [],
    ByteLevel: BYTE_LEVEL,
    CharDelimiterSplit: ["delimiter"],
    Digits: ["individual_digits"],
    FixedLength: ["length"],
    Metaspace: ["replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"],
    Punctuation: ["behavior"],
    Sequence: ["pretokenizers"],
    Split: ["pattern", "behavior", "invert"],
    UnicodeScripts: [],
    Whitespace: [],
    WhitespaceSplit: [],
  },
  post_processor: {
    BertProcessing: ["sep", "cls"],
    ByteLevel: BYTE_LEVEL,
    RobertaProcessing: ["sep", "cls", "trim_offsets", "add_prefix_space"],
    Sequence: ["processors"],
    TemplateProcessing: ["single", "pair", "special_tokens"],
  },
  decoder: {
    BPEDecoder: ["suffix"],
    ByteFallback: [],
    ByteLevel: BYTE_LEVEL,
    CTC: ["pad_token", "word_delimiter_token", "cleanup"],
    Fuse: [],
    Metaspace: ["replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep"],
    Replace: ["pattern", "content"],
    Sequence: ["decoders"],
    Strip: ["content", "start", "stop"],
    WordPiece: ["prefix", "cleanup"],
  },
  model: {
    BPE: [
      "dropout",
      "unk_token",
      "continuing_subword_prefix",
      "end_of_word_suffix",
      "fuse_unk",
      "byte_fallback",
      "ignore_merges",
      "vocab",
      "merges",
    ],
    Unigram: ["unk_id", "vocab", "byte_fallback"],
    WordLevel: ["vocab", "unk_token"],
    WordPiece: ["unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"],
  },
};

/** Throws TOKENIZER_INVALID with what is wrong and where; otherwise the parsed file. */
export function parseTokenizerJson(source: string | object): TokenizerJson {
  const parsed = parseOptions(
    shape,
    typeof source === "string" ? parseJson(source) : source,
    "tokenizer.json",
    "TOKENIZER_INVALID",
  );
  for (const section of ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const)
    checkComponent(parsed[section], section, section, 0);
  if (parsed.model.type !== undefined) checkFields(parsed.model, "model", "model");
  // Pieces of words are left out by chance while such a tokenizer is used.
  if (typeof parsed.model["dropout"] === "number" && parsed.model["dropout"] > 0)
    throw invalid(`model.dropout is ${parsed.model["dropout"]}: the same text would have other tokens each time`);
  checkVocab(vocabEntries(parsed), parsed.added_tokens);
  return parsed;
}

function parseJson(text: string): unknown {
  if (text.length > TOKENIZER_LIMITS.jsonLength)
    throw invalid(`it has ${text.length} characters; at most ${TOKENIZER_LIMITS.jsonLength} are read`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LockstepError(
      "TOKENIZER_INVALID",
      `tokenizer.json is not JSON: ${(error as Error).message}`,
      {},
      { cause: error },
    );
  }
}

/** Walks `Sequence`s, so that a component deep inside is named by its path. */
function checkComponent(value: unknown, section: string, path: string, depth: number): void {
  if (value === null || value === undefined) return;
  if (depth > TOKENIZER_LIMITS.depth)
    throw invalid(`${path.slice(0, 80)}… is nested more than ${TOKENIZER_LIMITS.depth} deep`);
  if (typeof value !== "object") throw invalid(`${path} is not an object`);
  checkFields(value, section, path);
  if ((value as { type: string }).type !== "Sequence") return;
  for (const list of ["normalizers", "pretokenizers", "processors", "decoders"]) {
    const parts = (value as Record<string, unknown>)[list];
    if (Array.isArray(parts))
      parts.forEach((part, i) => checkComponent(part, section, `${path}.${list}[${i}]`, depth + 1));
  }
}

function checkFields(value: object, section: string, path: string): void {
  const { type } = value as { type?: unknown };
  const known = FIELDS[section] as Readonly<Record<string, readonly string[]>>;
  const fields = typeof type === "string" && Object.hasOwn(known, type) ? known[type] : undefined;
  if (fields === undefined) throw unknown(type, section, path);
  const stranger = Object.keys(value).find((name) => name !== "type" && !fields.includes(name));
  if (stranger !== undefined)
    throw invalid(`${path} (${String(type)}) has a field ${quote(stranger)}, which Lockstep does not know`);
}

/** (token, id) of the model's vocabulary: an object for WordPiece and BPE, a list of [token, score] for Unigram. */
export function vocabEntries(json: TokenizerJson): [string, number][] {
  const { vocab } = json.model;
  if (!Array.isArray(vocab)) return Object.entries(vocab) as [string, number][];
  return vocab.map((item: unknown, id): [string, number] => {
    const [token, score]: readonly unknown[] = Array.isArray(item) ? (item as unknown[]) : [];
    if (typeof token !== "string" || typeof score !== "number")
      throw invalid(`model.vocab[${id}] is not a [token, score] pair`);
    return [token, id];
  });
}

function checkVocab(entries: readonly [string, number][], added: readonly AddedTokenJson[]): void {
  if (entries.length === 0) throw invalid("model.vocab is empty");
  if (entries.length > TOKENIZER_LIMITS.vocab)
    throw invalid(`model.vocab has ${entries.length} tokens; at most ${TOKENIZER_LIMITS.vocab} are read`);
  const owner = new Map<number, string>();
  for (const [token, id] of entries) {
    if (!Number.isInteger(id) || id < 0 || id >= TOKENIZER_LIMITS.vocab)
      throw invalid(
        `the id of ${quote(token)} in model.vocab is ${quote(String(id))}, not a whole number from 0 to ` +
          `${TOKENIZER_LIMITS.vocab - 1}`,
      );
    if (token.length > TOKENIZER_LIMITS.tokenLength)
      throw invalid(
        `the token with id ${id} is ${token.length} characters long; at most ${TOKENIZER_LIMITS.tokenLength} are read`,
      );
    const other = owner.get(id);
    if (other !== undefined) throw invalid(`id ${id} belongs to two tokens, ${quote(other)} and ${quote(token)}`);
    owner.set(id, token);
  }
  for (const { id, content } of added) {
    const other = owner.get(id);
    if (other !== undefined && other !== content)
      throw invalid(
        `id ${id} belongs to two tokens, ${quote(other)} in model.vocab and ${quote(content)} in added_tokens`,
      );
    owner.set(id, content);
  }
}

export function invalid(problem: string): LockstepError {
  return new LockstepError("TOKENIZER_INVALID", `tokenizer.json cannot be used: ${problem}`);
}

/** The same for the files beside it. */
export function invalidConfig(problem: string, file = "tokenizer_config.json"): LockstepError {
  return new LockstepError("TOKENIZER_INVALID", `${file} cannot be used: ${problem}`, { file });
}

function unknown(type: unknown, section: string, path: string): LockstepError {
  return new LockstepError(
    "TOKENIZER_INVALID",
    `tokenizer.json cannot be used: ${path} is of the unknown type ${quote(String(type))}; known are ` +
      Object.keys(FIELDS[section] ?? {}).join(", "),
    { path },
  );
}

export function quote(token: string): string {
  return JSON.stringify(token.length > 40 ? `${token.slice(0, 40)}…` : token);
}
