/**
 * Which parts of a `tokenizer.json` run in our own code: the normalizers and pre-tokenizers that are exact here, with
 * WordPiece and a template of special tokens. A file with any other part goes to the reference library as a whole.
 */
import { bertSteps, type BertNormalizerOptions, type Step } from "./normalize.ts";
import { invalid, type AddedTokenJson, type TokenizerJson } from "./schema.ts";
import { BERT_TEMPLATES, uncoveredTemplate } from "./template.ts";
import type { Split } from "./words.ts";

export interface Pipeline {
  readonly steps: readonly Step[];
  readonly splits: readonly Split[];
}

/** The pipeline of a file, or the path of the first part that our own code does not have. */
export type Coverage = { readonly covered: Pipeline } | { readonly uncovered: string };

export type Part = Readonly<Record<string, unknown>> & { readonly type: string };
export type Reader<T> = (part: Part, path: string) => readonly T[] | undefined;

export const NORMALIZERS: Readonly<Record<string, Reader<Step>>> = {
  BertNormalizer: (part, path) => bertSteps(bertOptions(part, path)),
  NFD: () => ["decompose"],
  NFKD: () => ["decompose-compatibly"],
  NFC: () => ["decompose", "compose"],
  NFKC: () => ["decompose-compatibly", "compose"],
  Lowercase: () => ["lowercase"],
  StripAccents: () => ["drop-marks"],
};

export const BERT_SPLITS: readonly Split[] = ["drop-space", "each-punctuation"];

export const PRE_TOKENIZERS: Readonly<Record<string, Reader<Split>>> = {
  BertPreTokenizer: () => BERT_SPLITS,
  Whitespace: () => ["drop-space", "runs-of-words"],
  WhitespaceSplit: () => ["drop-space"],
  Punctuation: (part) => PUNCTUATION_BEHAVIORS[String(part["behavior"] ?? "Isolated")],
  Digits: (part, path) => (booleanOf(part, "individual_digits", false, path) ? ["each-digit"] : ["runs-of-digits"]),
};

/** The two that join punctuation to a neighbour are not here. */
const PUNCTUATION_BEHAVIORS: Readonly<Record<string, readonly Split[]>> = {
  Isolated: ["each-punctuation"],
  Removed: ["drop-punctuation"],
  Contiguous: ["runs-of-punctuation"],
};

export function coverageOf(json: TokenizerJson): Coverage {
  const steps: Step[] = [];
  const splits: Split[] = [];
  const uncovered =
    walk(json.normalizer, "normalizer", "normalizers", NORMALIZERS, steps) ??
    walk(json.pre_tokenizer, "pre_tokenizer", "pretokenizers", PRE_TOKENIZERS, splits) ??
    uncoveredTemplate(json.post_processor, BERT_TEMPLATES) ??
    uncoveredToken(json.added_tokens);
  return uncovered === undefined ? { covered: { steps, splits } } : { uncovered };
}

/** Reads the parts of a section, whatever they are nested in; the path of the first one that is not in `readers`. */
export function walk<T>(
  part: Part | null | undefined,
  path: string,
  list: string,
  readers: Readonly<Record<string, Reader<T>>>,
  into: T[],
): string | undefined {
  if (part === null || part === undefined) return undefined;
  if (part.type === "Sequence") {
    const parts = part[list];
    if (!Array.isArray(parts)) throw invalid(`${path}.${list} is not a list`);
    for (const [i, one] of parts.entries()) {
      const uncovered = walk(one as Part, `${path}.${list}[${i}]`, list, readers, into);
      if (uncovered !== undefined) return uncovered;
    }
    return undefined;
  }
  const read = Object.hasOwn(readers, part.type) ? readers[part.type]?.(part, path) : undefined;
  if (read === undefined) return `${path} (${part.type})`;
  into.push(...read);
  return undefined;
}

/** Old files leave `model.type` out; WordPiece is then known by having a prefix and no merges. */
export function isWordPiece({ model }: TokenizerJson): boolean {
  return (
    !Array.isArray(model.vocab) &&
    (model.type === "WordPiece" ||
      (model.type === undefined && "continuing_subword_prefix" in model && !("merges" in model)))
  );
}

/** A token whose own ends are white space can overlap with one that takes white space along. */
export function uncoveredToken(tokens: readonly AddedTokenJson[]): string | undefined {
  if (!tokens.some(({ lstrip, rstrip }) => lstrip || rstrip)) return undefined;
  const index = tokens.findIndex(({ content }) => /^\s|\s$/u.test(content));
  return index < 0 ? undefined : `added_tokens[${index}] (white space at its ends)`;
}

export function bertOptions(part: Part, path: string): BertNormalizerOptions {
  const lowercase = booleanOf(part, "lowercase", true, path);
  return {
    lowercase,
    stripAccents: booleanOf(part, "strip_accents", lowercase, path),
    cleanText: booleanOf(part, "clean_text", true, path),
    handleChineseChars: booleanOf(part, "handle_chinese_chars", true, path),
  };
}

export function booleanOf(part: Part, name: string, fallback: boolean, path: string): boolean {
  const value = part[name] ?? fallback;
  if (typeof value !== "boolean") throw invalid(`${path}.${name} is not true or false`);
  return value;
}
