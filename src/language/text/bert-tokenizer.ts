/**
 * The tokenizer of the BERT family: BertNormalizer, BertPreTokenizer, WordPiece and a template of special tokens. Written here,
 * because `@huggingface/tokenizers` gives neither offsets nor truncation; that library and Python's are its oracles in the tests. It has no
 * regular expressions from the file, so it runs on any thread and its time is linear in the text.
 */
import { LockstepError } from "../../base/index.ts";
import { bertWords, type BertNormalizerOptions } from "./bert-words.ts";
import { specialIds, specialNames, tokenizerFiles } from "./files.ts";
import { checkText } from "./input.ts";
import { invalid, vocabEntries, type TokenizerJson } from "./schema.ts";
import { readTemplate, specialCount, type Place, type Template } from "./template.ts";
import { fit } from "./truncate.ts";
import type { EncodeOptions, Encoded, SpecialIds, Tokenizer, TokenizerFiles } from "./types.ts";
import { WordPiece } from "./wordpiece.ts";

interface Tokens { readonly ids: number[]; readonly offsets: (readonly [number, number])[] }

const TEMPLATE_OFFSET: readonly [number, number] = Object.freeze([0, 0]);

/** Whether the whole file is of this family; what is not goes to library-tokenizer.ts. */
export function isBertFamily(json: TokenizerJson): boolean {
  return json.normalizer?.type === "BertNormalizer" && json.pre_tokenizer?.type === "BertPreTokenizer" && modelIsWordPiece(json)
    && (json.post_processor === null || ["TemplateProcessing", "BertProcessing"].includes(json.post_processor.type))
    && (json.decoder === null || json.decoder.type === "WordPiece")
    && json.added_tokens.every((token) => !(token.normalized ?? !token.special) && !token.single_word && !token.lstrip && !token.rstrip);
}

/** Old files leave `model.type` out; WordPiece is then known by having a prefix and no merges. */
function modelIsWordPiece({ model }: TokenizerJson): boolean {
  return !Array.isArray(model.vocab) && (model.type === "WordPiece" || (model.type === undefined && "continuing_subword_prefix" in model && !("merges" in model)));
}

export class BertTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly maxLength: number;
  readonly aligned = true;
  readonly files: TokenizerFiles;
  readonly #normalizer: BertNormalizerOptions;
  readonly #wordPiece: WordPiece;
  readonly #template: Template;
  readonly #added: RegExp | undefined;
  readonly #idOf: ReadonlyMap<string, number>;
  readonly #tokens: readonly string[];
  readonly #hidden: ReadonlySet<number>;
  readonly #prefix: string;

  constructor(json: TokenizerJson, text: string, config: object | undefined, maxLength: number) {
    const names = specialNames(config);
    const vocab = new Map(vocabEntries(json));
    const idOf = new Map(vocab);
    for (const token of json.added_tokens) idOf.set(token.content, token.id);
    this.#tokens = tokensById(idOf);
    this.#idOf = idOf;
    this.vocabSize = this.#tokens.length;
    this.special = specialIds(names, idOf);
    for (const name of ["pad", "unk", "cls", "sep"] as const) {
      if (this.special[name] < 0) throw invalid(`the special token ${names[name]} (${name}) is not in the vocabulary`);
    }
    this.#normalizer = readNormalizer(json.normalizer);
    this.#prefix = readPrefix(json.model);
    this.#wordPiece = new WordPiece({ vocab, unknownId: unknownId(json.model, vocab), prefix: this.#prefix, maxWordLength: readMaxWord(json.model) });
    this.#template = readTemplate(json.post_processor, idOf);
    this.#added = addedPattern(json.added_tokens.map((token) => token.content));
    this.#hidden = new Set([...json.added_tokens.filter((token) => token.special).map((token) => token.id), ...Object.values(this.special)]);
    this.maxLength = checkMaxLength(maxLength, specialCount(this.#template.pair) + 2, TOKEN_LIMIT);
    this.files = tokenizerFiles(text, config ?? defaultConfig(names, this.#normalizer, maxLength), names, this.#tokens);
  }

  encode(text: string, options: EncodeOptions = {}): Encoded {
    checkText(text);
    const first = this.#tokensOf(text);
    const second = options.pair === undefined ? undefined : (checkText(options.pair, "the second text"), this.#tokensOf(options.pair));
    const places = second === undefined ? this.#template.single : this.#template.pair;
    const special = specialCount(places);
    const limit = options.maxLength === undefined ? this.maxLength : checkMaxLength(options.maxLength, special + 1, this.maxLength);
    const [keepFirst, keepSecond] = fit(first.ids.length, second?.ids.length ?? 0, limit - special);
    const truncated = keepFirst < first.ids.length || keepSecond < (second?.ids.length ?? 0);
    return assemble(places, first, keepFirst, second, keepSecond, special, truncated);
  }

  /** Pieces joined to words, words by spaces except before . , ? and !, without special tokens. An id outside the vocabulary is INPUT_INVALID. */
  decode(ids: ArrayLike<number>): string {
    let text = "";
    for (let i = 0; i < ids.length; i++) {
      const token = this.#tokens[ids[i] as number];
      if (token === undefined) throw new LockstepError("INPUT_INVALID", `token ${i} has the id ${ids[i]}; this vocabulary has 0 to ${this.vocabSize - 1}`, { index: i });
      if (this.#hidden.has(ids[i] as number)) continue;
      if (this.#prefix !== "" && token.startsWith(this.#prefix) && text !== "") text += token.slice(this.#prefix.length);
      else text += text === "" ? token : ` ${token}`;
    }
    return text.replace(/ ([.,?!])/g, "$1");
  }

  /** Added tokens are found in the raw text first, as in the reference; what lies between them is split into words. */
  #tokensOf(text: string): Tokens {
    const tokens: Tokens = { ids: [], offsets: [] };
    let at = 0;
    if (this.#added !== undefined) {
      for (const match of text.matchAll(this.#added)) {
        this.#appendWords(text, at, match.index, tokens);
        at = match.index + match[0].length;
        tokens.ids.push(this.#idOf.get(match[0]) as number);
        tokens.offsets.push([match.index, at]);
      }
    }
    this.#appendWords(text, at, text.length, tokens);
    return tokens;
  }

  #appendWords(text: string, from: number, to: number, tokens: Tokens): void {
    for (const word of bertWords(text, this.#normalizer, from, to)) {
      const { ids, ends } = this.#wordPiece.pieces(word.text);
      let start = 0;
      for (let i = 0; i < ids.length; i++) {
        const end = ends[i] as number;
        tokens.ids.push(ids[i] as number);
        tokens.offsets.push([word.starts[start] as number, word.ends[end - 1] as number]);
        start = end;
      }
    }
  }
}

/** Longest encoding that any option may ask for. */
const TOKEN_LIMIT = 1 << 20;

export function checkMaxLength(value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new LockstepError("OPTION_INVALID", `maxLength is ${value}; give a whole number from ${least} (the special tokens and something between) to ${most}`, { maxLength: value });
  }
  return value;
}

function assemble(places: readonly Place[], first: Tokens, keepFirst: number, second: Tokens | undefined, keepSecond: number, special: number, truncated: boolean): Encoded {
  const ids = new Int32Array(keepFirst + keepSecond + special);
  const typeIds = new Int32Array(ids.length);
  const offsets: (readonly [number, number])[] = [];
  for (const place of places) {
    const start = offsets.length;
    if ("ids" in place) {
      for (const id of place.ids) {
        ids[offsets.length] = id;
        offsets.push(TEMPLATE_OFFSET);
      }
    } else {
      const tokens = place.sequence === "A" ? first : second;
      const keep = place.sequence === "A" ? keepFirst : keepSecond;
      for (let i = 0; i < keep; i++) {
        ids[offsets.length] = tokens?.ids[i] as number;
        offsets.push(tokens?.offsets[i] as readonly [number, number]);
      }
    }
    typeIds.fill(place.typeId, start, offsets.length);
  }
  return { ids, typeIds, offsets, truncated };
}

function tokensById(idOf: ReadonlyMap<string, number>): string[] {
  const tokens: string[] = [];
  for (const [token, id] of idOf) {
    if (!token.isWellFormed() || /[\r\n]/.test(token)) throw invalid(`the token with id ${id} holds a line break or half a character`);
    if (id >= idOf.size) throw invalid(`${JSON.stringify(token.slice(0, 40))} has the id ${id}, but there are ${idOf.size} tokens: ids must be 0 to ${idOf.size - 1} without a gap`);
    tokens[id] = token;
  }
  return tokens;
}

function readNormalizer(section: TokenizerJson["normalizer"]): BertNormalizerOptions {
  const flag = (name: string, fallback: boolean): boolean => {
    const value = section?.[name] ?? fallback;
    if (typeof value !== "boolean") throw invalid(`normalizer.${name} is not true or false`);
    return value;
  };
  const lowercase = flag("lowercase", true);
  return { lowercase, stripAccents: flag("strip_accents", lowercase), cleanText: flag("clean_text", true), handleChineseChars: flag("handle_chinese_chars", true) };
}

function readPrefix(model: TokenizerJson["model"]): string {
  const prefix = model["continuing_subword_prefix"] ?? "##";
  if (typeof prefix !== "string" || prefix.length > 16) throw invalid("model.continuing_subword_prefix is not a string of at most 16 characters");
  return prefix;
}

function readMaxWord(model: TokenizerJson["model"]): number {
  const value = model["max_input_chars_per_word"] ?? 100;
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 10_000) throw invalid("model.max_input_chars_per_word is not a whole number from 1 to 10000");
  return value as number;
}

function unknownId(model: TokenizerJson["model"], vocab: ReadonlyMap<string, number>): number {
  const id = vocab.get(String(model["unk_token"] ?? "[UNK]"));
  if (id === undefined) throw invalid(`model.unk_token ${JSON.stringify(model["unk_token"])} is not in model.vocab`);
  return id;
}

/** Leftmost, then longest: alternatives in the order of falling length. */
function addedPattern(contents: readonly string[]): RegExp | undefined {
  if (contents.length === 0) return undefined;
  const escaped = [...contents].sort((x, y) => y.length - x.length || (x < y ? -1 : 1)).map((content) => RegExp.escape(content));
  return new RegExp(escaped.join("|"), "gu");
}

function defaultConfig(names: ReturnType<typeof specialNames>, normalizer: BertNormalizerOptions, maxLength: number): object {
  return {
    tokenizer_class: "BertTokenizer", do_lower_case: normalizer.lowercase, strip_accents: normalizer.stripAccents === normalizer.lowercase ? null : normalizer.stripAccents,
    tokenize_chinese_chars: normalizer.handleChineseChars, model_max_length: maxLength,
    unk_token: names.unk, sep_token: names.sep, pad_token: names.pad, cls_token: names.cls, mask_token: names.mask,
  };
}
