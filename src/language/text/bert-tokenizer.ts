/**
 * The tokenizer of the BERT family: BertNormalizer, BertPreTokenizer, WordPiece and a template of special tokens.
 * Written here, because `@huggingface/tokenizers` gives neither offsets nor truncation; that library and Python's are
 * its oracles in the tests. It has no regular expressions from the file, so it runs on any thread; it reads a single
 * long text only until enough tokens are found.
 */
import { LockstepError } from "../../base/index.ts";
import { AddedTokens } from "./added-tokens.ts";
import { BertWords, type BertNormalizerOptions } from "./bert-words.ts";
import { specialIds, specialNames, tokenizerFiles } from "./files.ts";
import { checkText } from "./input.ts";
import { invalid, vocabEntries, type TokenizerJson } from "./schema.ts";
import { readTemplate, specialCount, type Place, type Template } from "./template.ts";
import { fit } from "./truncate.ts";
import type { EncodeOptions, Encoded, SpecialIds, Tokenizer, TokenizerFiles } from "./types.ts";
import { WordPiece } from "./wordpiece.ts";

interface Tokens {
  readonly ids: number[];
  readonly offsets: (readonly [number, number])[];
}

const TEMPLATE_OFFSET: readonly [number, number] = Object.freeze([0, 0]);

/** Whether the whole file is of this family; what is not goes to library-tokenizer.ts. */
export function isBertFamily(json: TokenizerJson): boolean {
  return (
    json.normalizer?.type === "BertNormalizer" &&
    json.pre_tokenizer?.type === "BertPreTokenizer" &&
    modelIsWordPiece(json) &&
    (json.post_processor === null || ["TemplateProcessing", "BertProcessing"].includes(json.post_processor.type)) &&
    (json.decoder === null || json.decoder.type === "WordPiece") &&
    json.added_tokens.every(
      (token) => !(token.normalized ?? !token.special) && !token.single_word && !token.lstrip && !token.rstrip,
    )
  );
}

/** Old files leave `model.type` out; WordPiece is then known by having a prefix and no merges. */
function modelIsWordPiece({ model }: TokenizerJson): boolean {
  return (
    !Array.isArray(model.vocab) &&
    (model.type === "WordPiece" ||
      (model.type === undefined && "continuing_subword_prefix" in model && !("merges" in model)))
  );
}

export class BertTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly maxLength: number;
  readonly aligned = true;
  readonly files: TokenizerFiles;
  readonly #words: BertWords;
  readonly #wordPiece: WordPiece;
  readonly #template: Template;
  readonly #added: AddedTokens;
  readonly #tokens: readonly string[];
  readonly #hidden: ReadonlySet<number>;
  readonly #prefix: string;

  constructor(json: TokenizerJson, text: string, config: object | undefined, maxLength: number) {
    const names = specialNames(config);
    const vocab = new Map(vocabEntries(json));
    const idOf = new Map(vocab);
    for (const token of json.added_tokens) idOf.set(token.content, token.id);
    this.#tokens = tokensById(idOf);
    this.vocabSize = this.#tokens.length;
    this.special = specialIds(names, idOf);
    for (const name of ["pad", "unk", "cls", "sep"] as const) {
      if (this.special[name] < 0) throw invalid(`the special token ${names[name]} (${name}) is not in the vocabulary`);
    }
    const normalizer = readNormalizer(json.normalizer);
    this.#words = new BertWords(normalizer);
    this.#prefix = readPrefix(json.model);
    this.#wordPiece = new WordPiece({
      vocab,
      unknownId: unknownId(json.model, vocab),
      prefix: this.#prefix,
      maxWordLength: readMaxWord(json.model),
    });
    this.#template = readTemplate(json.post_processor, idOf);
    this.#added = new AddedTokens(json.added_tokens);
    this.#hidden = new Set([
      ...json.added_tokens.filter((token) => token.special).map((token) => token.id),
      ...Object.values(this.special),
    ]);
    this.maxLength = checkMaxLength(maxLength, specialCount(this.#template.pair) + 2, TOKEN_LIMIT);
    this.files = tokenizerFiles(text, config ?? defaultConfig(names, normalizer, maxLength), names, this.#tokens);
  }

  encode(text: string, options: EncodeOptions = {}): Encoded {
    checkText(text);
    const { pair } = options;
    if (pair !== undefined) checkText(pair, "the second text");
    const places = pair === undefined ? this.#template.single : this.#template.pair;
    const special = specialCount(places);
    const limit =
      options.maxLength === undefined ? this.maxLength : checkMaxLength(options.maxLength, special + 1, this.maxLength);
    const room = limit - special;
    // One token too many tells that a text alone is cut. Of two, it matters which is the longer.
    const first = this.#tokensOf(text, pair === undefined ? room + 1 : Infinity);
    const second = pair === undefined ? undefined : this.#tokensOf(pair, Infinity);
    const [keepFirst, keepSecond] = fit(first.ids.length, second?.ids.length ?? 0, room);
    const truncated = keepFirst < first.ids.length || keepSecond < (second?.ids.length ?? 0);
    return assemble(places, first, keepFirst, second, keepSecond, special, truncated);
  }

  /**
   * Pieces joined to words, words by spaces except before . , ? and !, without special tokens. An id outside the
   * vocabulary is INPUT_INVALID.
   */
  decode(ids: ArrayLike<number>): string {
    let text = "";
    for (let i = 0; i < ids.length; i++) {
      const token = this.#tokens[ids[i] as number];
      if (token === undefined)
        throw new LockstepError(
          "INPUT_INVALID",
          `token ${i} has the id ${ids[i]}; this vocabulary has 0 to ${this.vocabSize - 1}`,
          { index: i },
        );
      if (this.#hidden.has(ids[i] as number)) continue;
      if (this.#prefix !== "" && token.startsWith(this.#prefix) && text !== "")
        text += token.slice(this.#prefix.length);
      else text += text === "" ? token : ` ${token}`;
    }
    return text.replace(/ ([.,?!])/g, "$1");
  }

  /**
   * Added tokens are found in the raw text first, as in the reference; what lies between them is split into words. Ends
   * soon after `enough` tokens.
   */
  #tokensOf(text: string, enough: number): Tokens {
    const tokens: Tokens = { ids: [], offsets: [] };
    for (let at = 0; at < text.length && tokens.ids.length < enough;) {
      const added = this.#added.find(text, at);
      this.#appendWords(text, at, added?.start ?? text.length, tokens, enough);
      if (added !== undefined) {
        tokens.ids.push(added.id);
        tokens.offsets.push([added.start, added.end]);
      }
      at = added?.end ?? text.length;
    }
    return tokens;
  }

  #appendWords(text: string, from: number, to: number, tokens: Tokens, enough: number): void {
    this.#words.forEach(text, from, to, (word) => {
      const { ids, ends } = this.#wordPiece.pieces(word.text);
      let start = 0;
      for (let i = 0; i < ids.length; i++) {
        const end = ends[i] as number;
        tokens.ids.push(ids[i] as number);
        tokens.offsets.push([word.starts[start] as number, word.ends[end - 1] as number]);
        start = end;
      }
      return tokens.ids.length < enough;
    });
  }
}

/** Longest encoding that any option may ask for. */
const TOKEN_LIMIT = 1 << 20;

export function checkMaxLength(value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new LockstepError(
      "OPTION_INVALID",
      `maxLength is ${value}; give a whole number from ${least} (the special tokens and something between) to ${most}`,
      { maxLength: value },
    );
  }
  return value;
}

function assemble(
  places: readonly Place[],
  first: Tokens,
  keepFirst: number,
  second: Tokens | undefined,
  keepSecond: number,
  special: number,
  truncated: boolean,
): Encoded {
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
    if (!token.isWellFormed() || /[\r\n]/.test(token))
      throw invalid(`the token with id ${id} holds a line break or half a character`);
    if (id >= idOf.size)
      throw invalid(
        `${JSON.stringify(token.slice(0, 40))} has the id ${id}, but there are ${idOf.size} tokens: ids must ` +
          `be 0 to ${idOf.size - 1} without a gap`,
      );
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
  return {
    lowercase,
    stripAccents: flag("strip_accents", lowercase),
    cleanText: flag("clean_text", true),
    handleChineseChars: flag("handle_chinese_chars", true),
  };
}

function readPrefix(model: TokenizerJson["model"]): string {
  const prefix = model["continuing_subword_prefix"] ?? "##";
  if (typeof prefix !== "string" || prefix.length > 16)
    throw invalid("model.continuing_subword_prefix is not a string of at most 16 characters");
  return prefix;
}

function readMaxWord(model: TokenizerJson["model"]): number {
  const value = model["max_input_chars_per_word"] ?? 100;
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 1000)
    throw invalid("model.max_input_chars_per_word is not a whole number from 1 to 1000");
  return value as number;
}

function unknownId(model: TokenizerJson["model"], vocab: ReadonlyMap<string, number>): number {
  const id = vocab.get(String(model["unk_token"] ?? "[UNK]"));
  if (id === undefined) throw invalid(`model.unk_token ${JSON.stringify(model["unk_token"])} is not in model.vocab`);
  return id;
}

function defaultConfig(
  names: ReturnType<typeof specialNames>,
  normalizer: BertNormalizerOptions,
  maxLength: number,
): object {
  return {
    tokenizer_class: "BertTokenizer",
    do_lower_case: normalizer.lowercase,
    strip_accents: normalizer.stripAccents === normalizer.lowercase ? null : normalizer.stripAccents,
    tokenize_chinese_chars: normalizer.handleChineseChars,
    model_max_length: maxLength,
    unk_token: names.unk,
    sep_token: names.sep,
    pad_token: names.pad,
    cls_token: names.cls,
    mask_token: names.mask,
  };
}
