/**
 * A `tokenizer.json` from a stranger, checked before anything is built from it: size, shape, known components only, ids
 * that are small whole numbers and used once, and whether it holds parts that may run for ever (regular expressions
 * above all, see isolate.ts). Format: the serialization of Hugging Face `tokenizers` 0.x.
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
const addedToken = z.looseObject({
  id: z.int().min(0).max(TOKENIZER_LIMITS.vocab),
  content: z.string().min(1).max(TOKENIZER_LIMITS.addedLength),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});
const shape = z.looseObject({
  added_tokens: z.array(addedToken).max(65_536).default([]),
  normalizer: component,
  pre_tokenizer: component,
  post_processor: component,
  decoder: component,
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

/** The components that the library runs, by section; anything else is refused by name. */
const KNOWN: Readonly<Record<string, readonly string[]>> = Object.freeze({
  normalizer: [
    "BertNormalizer",
    "Precompiled",
    "Sequence",
    "Replace",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Strip",
    "StripAccents",
    "Lowercase",
    "Prepend",
  ],
  pre_tokenizer: [
    "BertPreTokenizer",
    "Sequence",
    "Whitespace",
    "WhitespaceSplit",
    "Metaspace",
    "ByteLevel",
    "Split",
    "Punctuation",
    "Digits",
    "Replace",
    "FixedLength",
  ],
  post_processor: ["TemplateProcessing", "ByteLevel", "BertProcessing", "RobertaProcessing", "Sequence"],
  decoder: [
    "ByteLevel",
    "WordPiece",
    "Metaspace",
    "BPEDecoder",
    "CTC",
    "Sequence",
    "Replace",
    "Fuse",
    "Strip",
    "ByteFallback",
  ],
  model: ["WordPiece", "BPE", "Unigram"],
});

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
  if (parsed.model.type !== undefined && !KNOWN["model"]?.includes(parsed.model.type))
    throw unknown(parsed.model.type, "model", "model");
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
  const { type } = value as { type?: unknown };
  if (typeof type !== "string" || !KNOWN[section]?.includes(type)) throw unknown(type, section, path);
  if (type !== "Sequence") return;
  for (const list of ["normalizers", "pretokenizers", "processors", "decoders"]) {
    const parts = (value as Record<string, unknown>)[list];
    if (Array.isArray(parts))
      parts.forEach((part, i) => checkComponent(part, section, `${path}.${list}[${i}]`, depth + 1));
  }
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

/** Components whose time and memory are a small multiple of the text's length, whatever the file says. */
const BOUNDED: Readonly<Record<string, readonly string[]>> = Object.freeze({
  normalizer: ["BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase", "Sequence"],
  pre_tokenizer: [
    "BertPreTokenizer",
    "Whitespace",
    "WhitespaceSplit",
    "ByteLevel",
    "Punctuation",
    "Digits",
    "Sequence",
  ],
  post_processor: ["TemplateProcessing", "ByteLevel", "BertProcessing", "RobertaProcessing"],
  decoder: ["ByteLevel", "WordPiece", "BPEDecoder", "Fuse", "ByteFallback", "Sequence"],
});

/**
 * The first part of the file that might run without end, with its path; undefined when there is none. Regular
 * expressions may, and so may parts that rewrite the text (a chain of "a becomes aa" doubles it each time), advance by
 * a length from the file, or repeat it.
 */
export function findUnbounded(json: TokenizerJson): string | undefined {
  let regex: string | undefined;
  let found: string | undefined;
  const walk = (value: unknown, section: string, path: string, depth: number): void => {
    if (regex !== undefined || typeof value !== "object" || value === null) return;
    if (depth > 4 * TOKENIZER_LIMITS.depth) throw invalid(`${path.slice(0, 80)}… is nested too deep`);
    for (const [key, item] of Object.entries(value)) {
      const here = `${path}.${key}`;
      if (key === "Regex") regex ??= `a regular expression of its own, ${here}: ${quote(String(item))}`;
      if (key === "type" && typeof item === "string" && !BOUNDED[section]?.includes(item))
        found ??= `a part that rewrites or repeats the text, ${path} (${item})`;
      walk(item, section, here, depth + 1);
    }
    const { single, pair } = value as Record<string, unknown>;
    for (const places of [single, pair])
      if (Array.isArray(places) && places.length > 64) found ??= `a template of ${places.length} places, ${path}`;
  };
  for (const section of ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const)
    walk(json[section], section, section, 0);
  return regex ?? found;
}

export function invalid(problem: string): LockstepError {
  return new LockstepError("TOKENIZER_INVALID", `tokenizer.json cannot be used: ${problem}`);
}

function unknown(type: unknown, section: string, path: string): LockstepError {
  return new LockstepError(
    "TOKENIZER_INVALID",
    `tokenizer.json cannot be used: ${path} is of the unknown type ${quote(String(type))}; known are ` +
      `${KNOWN[section]?.join(", ")}`,
    { path },
  );
}

function quote(token: string): string {
  return JSON.stringify(token.length > 40 ? `${token.slice(0, 40)}…` : token);
}
