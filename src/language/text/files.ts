/**
 * The files of the Hugging Face layout around a tokenizer: read what they say about special tokens, write what others
 * expect.
 */
import type { BertNormalizerOptions } from "./normalize.ts";
import { vocabEntries } from "./schema.ts";
import type { BertNames, Settled, SpecialNames } from "./settled.ts";
import type { SpecialIds, TokenizerFiles } from "./types.ts";

export const BERT_NAMES: BertNames = Object.freeze({
  pad: "[PAD]",
  unk: "[UNK]",
  cls: "[CLS]",
  sep: "[SEP]",
  mask: "[MASK]",
});

export function specialIds(names: SpecialNames, idOf: ReadonlyMap<string, number>): SpecialIds {
  const id = (name: string | undefined): number => (name === undefined ? -1 : (idOf.get(name) ?? -1));
  return {
    pad: id(names.pad),
    unk: id(names.unk),
    cls: id(names.cls),
    sep: id(names.sep),
    mask: id(names.mask),
    bos: id(names.bos),
    eos: id(names.eos),
  };
}

/**
 * `tokens[id]` is the token of `id`; given for WordPiece, whose `vocab.txt` is one token a line in the order of ids.
 */
export function tokenizerFiles(
  { text, config, names, map, maxLength, rawJson, json }: Settled,
  tokens?: readonly string[],
): TokenizerFiles {
  const known = new Set([
    ...vocabEntries(json).map(([token]) => token),
    ...json.added_tokens.map((one) => one.content),
  ]);
  const ours = {
    unk_token: names.unk,
    sep_token: names.sep,
    pad_token: names.pad,
    cls_token: names.cls,
    mask_token: names.mask,
    bos_token: names.bos,
    eos_token: names.eos,
  };
  // A name that no token has would become one when the folder is read.
  const special = Object.fromEntries(Object.entries(ours).filter(([, name]) => name !== undefined && known.has(name)));
  const written = config ?? {
    ...fromNormalizer(rawJson.normalizer),
    model_max_length: maxLength,
    ...special,
  };
  return Object.freeze({
    "tokenizer.json": text,
    "tokenizer_config.json": `${JSON.stringify(written, null, 2)}\n`,
    "special_tokens_map.json": `${JSON.stringify(map ?? special, null, 2)}\n`,
    ...(tokens === undefined ? {} : { "vocab.txt": `${tokens.join("\n")}\n` }),
  });
}

/** A file of BERT's own parts is BertTokenizer's to Python, told by these settings; another is read as it stands. */
function fromNormalizer(normalizer: Settled["rawJson"]["normalizer"]): object {
  if (normalizer?.type !== "BertNormalizer") return { tokenizer_class: "PreTrainedTokenizerFast" };
  const { lowercase, strip_accents, handle_chinese_chars } = normalizer as Partial<Record<string, boolean | null>>;
  const lower = lowercase ?? true;
  return {
    tokenizer_class: "BertTokenizer",
    do_lower_case: lower,
    strip_accents: strip_accents === lower ? null : (strip_accents ?? null),
    tokenize_chinese_chars: handle_chinese_chars ?? true,
  };
}

/** What Python's BertTokenizer builds from a vocabulary and its settings. */
export function bertTokenizerJson(
  vocab: Readonly<Record<string, number>>,
  names: SpecialNames,
  normalizer: BertNormalizerOptions | { readonly lowercase: boolean },
): Record<string, unknown> {
  const { cls, sep } = names;
  const named = (name: string): object => ({ id: name, ids: [vocab[name]], tokens: [name] });
  const at = (name: string, type: number): object => ({ SpecialToken: { id: name, type_id: type } });
  const sequence = (name: "A" | "B", type: number): object => ({ Sequence: { id: name, type_id: type } });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: "handleChineseChars" in normalizer ? normalizer.handleChineseChars : true,
      strip_accents:
        "stripAccents" in normalizer && normalizer.stripAccents !== normalizer.lowercase
          ? normalizer.stripAccents
          : null,
      lowercase: normalizer.lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [at(cls, 0), sequence("A", 0), at(sep, 0)],
      pair: [at(cls, 0), sequence("A", 0), at(sep, 0), sequence("B", 1), at(sep, 1)],
      special_tokens: { [cls]: named(cls), [sep]: named(sep) },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: names.unk,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}
