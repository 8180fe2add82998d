/**
 * What the files of a folder say together: `tokenizer.json` as Python's `transformers` 5 makes it of the folder. There,
 * a folder whose class is BertTokenizer (or that names none) is built anew from the vocabulary and the settings of
 * `tokenizer_config.json`; one whose class is PreTrainedTokenizerFast is its `tokenizer.json`. Both get the tokens that
 * are named beside it. Without `tokenizer_config.json` a `tokenizer.json` stands for itself, as in `tokenizers`.
 */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { checkConfigFields, checkMapFields, isNamedToken } from "./fields.ts";
import { BERT_NAMES, bertTokenizerJson } from "./files.ts";
import { checkBounded } from "./linear.ts";
import { bpeTokenizerJson } from "./bpe-files.ts";
import { bertOptions, isWordPiece } from "./pipeline.ts";
import {
  addedToken,
  invalid,
  invalidConfig,
  parseTokenizerJson,
  quote,
  vocabEntries,
  type AddedTokenJson,
  type TokenizerJson,
} from "./schema.ts";
import type { Settled, SpecialNames } from "./settled.ts";
import type { TokenizerSource } from "./types.ts";

const BERT_CLASSES: readonly string[] = [
  "BertTokenizer",
  "DistilBertTokenizer",
  "ElectraTokenizer",
  "MobileBertTokenizer",
  "LayoutLMTokenizer",
  "SqueezeBertTokenizer",
];
/** Classes whose `tokenizer.json` stands for itself, and the models that it may have. */
const FILE_CLASSES: Readonly<Record<string, readonly string[]>> = {
  PreTrainedTokenizer: ["BPE", "Unigram", "WordLevel", "WordPiece"],
  TokenizersBackend: ["BPE", "Unigram", "WordLevel", "WordPiece"],
  GPT2Tokenizer: ["BPE"],
  RobertaTokenizer: ["BPE"],
  Qwen2Tokenizer: ["BPE"],
  LlamaTokenizer: ["BPE", "Unigram"],
  CodeLlamaTokenizer: ["BPE"],
  GemmaTokenizer: ["BPE"],
  XLMRobertaTokenizer: ["Unigram"],
  CamembertTokenizer: ["Unigram"],
  AlbertTokenizer: ["Unigram"],
  T5Tokenizer: ["Unigram"],
};

const flags = { single_word: z.boolean(), lstrip: z.boolean(), rstrip: z.boolean(), normalized: z.boolean() };
const token = z.union([
  z
    .string()
    .min(1)
    .transform((content) => ({ content })),
  z
    .looseObject({ content: z.string().min(1), special: z.boolean().optional() })
    .extend(z.object(flags).partial().shape),
]);
const name = token.nullish();
const tokens = z.union([z.array(token), z.record(z.string(), token)]).nullish();
const special = {
  unk_token: name,
  sep_token: name,
  pad_token: name,
  cls_token: name,
  mask_token: name,
  bos_token: name,
  eos_token: name,
  additional_special_tokens: tokens,
  extra_special_tokens: tokens,
};
const mapShape = z.looseObject(special);
const configShape = z.looseObject({
  ...special,
  tokenizer_class: z.string().nullish(),
  do_lower_case: z.boolean().default(true),
  strip_accents: z.boolean().nullish(),
  tokenize_chinese_chars: z.boolean().default(true),
  // Python writes 10^30 where there is no limit.
  model_max_length: z.number().min(5).nullish(),
  max_len: z.number().min(5).nullish(),
  truncation_side: z.enum(["left", "right"]).nullish(),
  split_special_tokens: z.boolean().default(false),
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  added_tokens_decoder: z.record(z.string(), addedToken.omit({ id: true })).nullish(),
});
type Config = z.output<typeof configShape>;
type TokenOf = z.output<typeof token>;

/** @throws TOKENIZER_INVALID with the file and the field that is wrong, unknown, or contradicts another. */
export function settle(source: TokenizerSource, maxLength: number): Settled {
  const { specialTokensMap: map, addedTokens, chatTemplate } = source;
  // A version keeps the template where the other settings are.
  const config =
    chatTemplate === undefined
      ? source.tokenizerConfig
      : {
          ...(source.tokenizerConfig ?? { tokenizer_class: "PreTrainedTokenizerFast" }),
          chat_template: chatTemplate,
        };
  if (config !== undefined) checkConfigFields(config);
  if (map !== undefined) checkMapFields(map);
  const read = parseOptions(configShape, config ?? {}, "tokenizer_config.json", "TOKENIZER_INVALID");
  // Where tokenizer_config.json lists the added tokens, nothing else is asked.
  const beside =
    map === undefined || (read.added_tokens_decoder ?? undefined) !== undefined
      ? {}
      : parseOptions(mapShape, map, "special_tokens_map.json", "TOKENIZER_INVALID");
  const said: Config = { ...read, ...beside };
  const named = namesOf(said);
  const { rawJson, text } = readJson(source, said, named);
  checkBounded(rawJson);
  checkFlags(said, rawJson);
  const built = config !== undefined && isBertClass(said.tokenizer_class, rawJson);
  const json = built ? asBertTokenizer(rawJson, said, named) : rawJson;
  const complete: TokenizerJson = { ...json, added_tokens: addedTokensOf(json, said, built, config !== undefined) };
  checkAddedTokens(addedTokens, complete);
  const truncation = said.truncation_side ?? (rawJson.truncation?.direction === "Left" ? "left" : "right");
  return {
    json: complete,
    rawJson,
    text,
    config,
    map,
    names: named,
    named: Object.fromEntries(
      Object.entries(said).flatMap(([name, value]) =>
        isNamedToken(name, value) ? [[name, contentOf(value as TokenOf | string)]] : [],
      ),
    ),
    truncationSide: truncation,
    splitSpecial: said.split_special_tokens,
    maxLength: Math.min(maxLength, Math.floor(said.model_max_length ?? said.max_len ?? Infinity)),
  };
}

function namesOf(said: z.output<typeof mapShape>): SpecialNames {
  return {
    pad: said.pad_token?.content ?? BERT_NAMES.pad,
    unk: said.unk_token?.content ?? BERT_NAMES.unk,
    cls: said.cls_token?.content ?? BERT_NAMES.cls,
    sep: said.sep_token?.content ?? BERT_NAMES.sep,
    mask: said.mask_token?.content ?? BERT_NAMES.mask,
    bos: said.bos_token?.content,
    eos: said.eos_token?.content,
  };
}

function readJson(
  source: TokenizerSource,
  said: Config,
  names: SpecialNames,
): { rawJson: TokenizerJson; text: string } {
  if ("tokenizerJson" in source) {
    const { tokenizerJson } = source;
    const text = typeof tokenizerJson === "string" ? tokenizerJson : JSON.stringify(tokenizerJson);
    return { rawJson: parseTokenizerJson(tokenizerJson), text };
  }
  if ("vocabJson" in source) {
    const name = (said.tokenizer_class ?? "GPT2Tokenizer").replace(/Fast$/, "");
    const json = bpeTokenizerJson(source.vocabJson, source.mergesTxt, name, said.add_prefix_space === true);
    return { rawJson: parseTokenizerJson(json), text: `${JSON.stringify(json, null, 1)}\n` };
  }
  const vocab = new Map(
    source.vocabTxt
      .replace(/\r\n?/g, "\n")
      .replace(/\n$/, "")
      .split("\n")
      .map((line, id) => [line, id]),
  );
  const json = bertTokenizerJson(Object.fromEntries(vocab), names, bertSettings(said));
  json["added_tokens"] = [...new Set([names.pad, names.unk, names.cls, names.sep, names.mask])].flatMap((content) => {
    const id = vocab.get(content);
    return id === undefined
      ? []
      : [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }];
  });
  return { rawJson: parseTokenizerJson(json), text: `${JSON.stringify(json, null, 1)}\n` };
}

const bertSettings = ({ do_lower_case, strip_accents, tokenize_chinese_chars }: Config) => ({
  cleanText: true,
  lowercase: do_lower_case,
  stripAccents: strip_accents ?? do_lower_case,
  handleChineseChars: tokenize_chinese_chars,
});

function isBertClass(name: string | null | undefined, json: TokenizerJson): boolean {
  if (name === null || name === undefined) {
    if (isWordPiece(json)) return true;
    throw invalidConfig(
      'it names no "tokenizer_class", with which Python makes a BERT tokenizer of any file, and tokenizer.json has ' +
        'another model; if tokenizer.json is right, write "PreTrainedTokenizerFast" there',
    );
  }
  const plain = name.replace(/Fast$/, "");
  const models = Object.hasOwn(FILE_CLASSES, plain) ? FILE_CLASSES[plain] : undefined;
  const { type } = json.model;
  if (models !== undefined && type !== undefined && !models.includes(type))
    throw invalidConfig(
      `"tokenizer_class" is ${quote(name)}, whose model is ${models.join(" or ")}, and tokenizer.json has ${type}`,
    );
  if (models !== undefined) return false;
  if (BERT_CLASSES.includes(plain)) return true;
  throw invalidConfig(
    `"tokenizer_class" is ${quote(name)}; Lockstep knows ` + [...BERT_CLASSES, ...Object.keys(FILE_CLASSES)].join(", "),
  );
}

/**
 * Settings that some classes of Python write another template or prefix from, and others ignore: what they say must be
 * what the file does, so it makes no difference.
 */
function checkFlags(said: Config, json: TokenizerJson): void {
  const differs = (name: keyof Config, what: string): Error =>
    invalidConfig(`"${name}" is ${String(said[name])}, and tokenizer.json ${what}; make the two agree`);
  const ends = templateEnds(json);
  for (const [name, token, end] of [
    ["add_bos_token", said.bos_token, ends[0]],
    ["add_eos_token", said.eos_token, ends[1]],
  ] as const) {
    const adds = end !== undefined && end === token?.content;
    if (typeof said[name] === "boolean" && said[name] !== adds)
      throw differs(name, adds ? `adds ${quote(end)}` : "adds no such token");
  }
  const { add_prefix_space: prefix } = said;
  if (typeof prefix === "boolean" && prefix !== hasPrefix(json))
    throw differs("add_prefix_space", prefix ? "puts nothing before a text" : "puts a space before a text");
}

/** The special tokens before and after one text, if there are any. */
function templateEnds({ post_processor: section }: TokenizerJson): readonly [string | undefined, string | undefined] {
  const parts = section?.type === "Sequence" ? (section["processors"] as (object | null)[]) : [section];
  for (const one of parts as (Readonly<Record<string, unknown>> | null)[]) {
    if (Array.isArray(one?.["cls"]) && Array.isArray(one["sep"]))
      return [one["cls"], one["sep"]].map(([token]: unknown[]) => String(token)) as [string, string];
    if (!Array.isArray(one?.["single"])) continue;
    const single = one["single"] as ({ SpecialToken?: { id?: unknown } } | null)[];
    const [first, last] = [single[0]?.SpecialToken?.id, single.at(-1)?.SpecialToken?.id];
    return [first === undefined ? undefined : String(first), last === undefined ? undefined : String(last)];
  }
  return [undefined, undefined];
}

function hasPrefix(json: TokenizerJson): boolean {
  const has = (one: unknown): boolean => {
    if (typeof one !== "object" || one === null) return false;
    const { type, add_prefix_space: adds, prepend_scheme: scheme } = one as Readonly<Record<string, unknown>>;
    if (type === "Prepend" || (type === "ByteLevel" && adds !== false)) return true;
    if (type === "Metaspace") return scheme !== "never" && adds !== false;
    return Object.values(one).some((inner) => Array.isArray(inner) && inner.some(has));
  };
  return has(json.pre_tokenizer) || has(json.normalizer);
}

/** What Python's BertTokenizer makes of the file; where it would leave a part of it out, the part is named. */
function asBertTokenizer(json: TokenizerJson, said: Config, names: SpecialNames): TokenizerJson {
  const contradicts = (what: string): Error =>
    invalid(
      `${what}, which Python's BertTokenizer (the "tokenizer_class" of tokenizer_config.json) leaves out; if ` +
        'tokenizer.json is right, write "PreTrainedTokenizerFast" there',
    );
  const { normalizer, pre_tokenizer: pre, model } = json;
  if (!isWordPiece(json)) throw contradicts(`its model is ${quote(String(model.type))}`);
  if (normalizer !== null && normalizer.type !== "BertNormalizer")
    throw contradicts(`its normalizer is ${quote(normalizer.type)}`);
  if (normalizer !== null && !bertOptions(normalizer, "normalizer").cleanText)
    throw contradicts('its normalizer says "clean_text" false');
  if (pre !== null && pre.type !== "BertPreTokenizer") throw contradicts(`its pre_tokenizer is ${quote(pre.type)}`);
  if ((model["continuing_subword_prefix"] ?? "##") !== "##")
    throw contradicts(
      `its model says "continuing_subword_prefix" ${JSON.stringify(model["continuing_subword_prefix"])}`,
    );
  if ((model["max_input_chars_per_word"] ?? 100) !== 100)
    throw contradicts(`its model says "max_input_chars_per_word" ${String(model["max_input_chars_per_word"])}`);
  const vocab = Object.fromEntries(vocabEntries(json));
  const made = parseTokenizerJson(bertTokenizerJson(vocab, names, bertSettings(said)));
  return { ...made, added_tokens: json.added_tokens };
}

/** Those of the file, or of `added_tokens_decoder`, and those that are only named. */
function addedTokensOf(json: TokenizerJson, said: Config, built: boolean, folder: boolean): AddedTokenJson[] {
  const listed = said.added_tokens_decoder ?? undefined;
  const known = new Map<string, AddedTokenJson>();
  const ids = new Map(vocabEntries(json));
  let next = ids.size;
  const keep = (one: AddedTokenJson): void => {
    known.set(one.content, one);
    ids.set(one.content, one.id);
    next = Math.max(next, one.id + 1);
  };
  const add = (one: Omit<AddedTokenJson, "id">): number => {
    const id = ids.get(one.content) ?? next;
    keep({ ...one, id });
    return id;
  };
  if (!built || listed === undefined) json.added_tokens.forEach(keep);
  if (!folder) return [...known.values()];
  for (const [id, one] of Object.entries(listed ?? {}).sort(([x], [y]) => Number(x) - Number(y))) {
    const given = add(one);
    if (String(given) !== id)
      throw invalidConfig(
        `"added_tokens_decoder" gives ${quote(one.content)} the id ${id.slice(0, 20)}, but its place is ${given}`,
      );
  }
  // BertTokenizer has its five whether they are named or not.
  const own = built ? Object.fromEntries(Object.entries(BERT_NAMES).map(([key, name]) => [`${key}_token`, name])) : {};
  const named = Object.entries({ ...own, ...said }).filter(([key, value]) => isNamedToken(key, value));
  const lists = [said.extra_special_tokens ?? said.additional_special_tokens ?? []];
  for (const one of [
    ...named.map(([, value]) => value as TokenOf | string),
    ...lists.flatMap((list) => Object.values(list)),
  ])
    if (!known.has(contentOf(one))) add(asSpecial(one));
  return [...known.values()];
}

const contentOf = (one: TokenOf | string): string => (typeof one === "string" ? one : one.content);

function asSpecial(one: TokenOf | string): Omit<AddedTokenJson, "id"> {
  const { single_word, lstrip, rstrip, normalized } = (typeof one === "string" ? {} : one) as Partial<AddedTokenJson>;
  return {
    content: contentOf(one),
    single_word: single_word ?? false,
    lstrip: lstrip ?? false,
    rstrip: rstrip ?? false,
    normalized: normalized ?? false,
    special: true,
  };
}

/** `added_tokens.json`, of older folders, says again what tokenizer.json says. */
function checkAddedTokens(added: object | undefined, json: TokenizerJson): void {
  const ids = new Map(vocabEntries(json));
  for (const one of json.added_tokens) ids.set(one.content, one.id);
  for (const [content, id] of Object.entries(added ?? {})) {
    if (ids.get(content) !== id)
      throw invalidConfig(
        `it gives ${quote(content)} the id ${String(id).slice(0, 20)}, which tokenizer.json does not; save the ` +
          "tokenizer again with transformers 5",
        "added_tokens.json",
      );
  }
}
