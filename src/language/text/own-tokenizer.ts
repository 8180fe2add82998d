/**
 * What tokenizers in our own code have in common: options, the template of special tokens, truncation, offsets and
 * decoding. What a text's own tokens are is each one's (wordpiece-tokenizer.ts, piece-tokenizer.ts).
 */
import { LockstepError } from "../../base/index.ts";
import type { AddedToken } from "./added-tokens.ts";
import { specialIds, tokenizerFiles } from "./files.ts";
import { checkText } from "./input.ts";
import { invalid, vocabEntries, type AddedTokenJson } from "./schema.ts";
import type { Settled } from "./settled.ts";
import { readTemplate, specialCount, type Place, type Template, type Trim } from "./template.ts";
import { fit } from "./truncate.ts";
import { TokenizerBase } from "./tokenizer-base.ts";
import type { EncodeOptions, Encoded, SpecialIds, SyncTokenizer, TokenizerFiles } from "./types.ts";

export interface Tokens {
  readonly ids: number[];
  /** Two numbers a token: where its source starts and ends. */
  readonly offsets: number[];
  /** Two numbers a token, where offsets are trimmed: white space at its start and at its end; else none. */
  readonly spaces: number[];
  /** Places of the tokens that begin a word, rising. */
  readonly words: number[];
}

export const noTokens = (): Tokens => ({ ids: [], offsets: [], spaces: [], words: [] });

export function append(tokens: Tokens, more: Tokens): void {
  for (const word of more.words) tokens.words.push(tokens.ids.length + word);
  for (const id of more.ids) tokens.ids.push(id);
  for (const offset of more.offsets) tokens.offsets.push(offset);
  for (const space of more.spaces) tokens.spaces.push(space);
}

export abstract class OwnTokenizer extends TokenizerBase implements SyncTokenizer {
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly maxLength: number;
  readonly library = undefined;
  readonly files: TokenizerFiles;
  protected readonly template: Template;
  readonly #keepsEnd: boolean;

  /** `byId`: the tokens of the vocabulary, where `vocab.txt` is one of its files. */
  constructor(
    settled: Settled,
    idOf: ReadonlyMap<string, number>,
    normalize: (text: string) => string,
    byId?: readonly string[],
  ) {
    super(settled, normalize);
    let largest = -1;
    for (const id of idOf.values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
    this.special = specialIds(settled.names, idOf);
    this.template = readTemplate(settled.json.post_processor, idOf);
    this.maxLength = checkMaxLength(settled.maxLength, specialCount(this.template.pair) + 2, TOKEN_LIMIT);
    this.files = tokenizerFiles(settled, byId);
    this.#keepsEnd = settled.truncationSide === "left";
  }

  encode(text: string, options: EncodeOptions = {}): Encoded {
    checkText(text);
    const { pair } = options;
    if (pair !== undefined) checkText(pair, "the second text");
    const template = pair === undefined ? this.template.single : this.template.pair;
    const places = options.addSpecialTokens === false ? template.filter((place) => "sequence" in place) : template;
    const special = specialCount(places);
    const limit =
      options.maxLength === undefined ? this.maxLength : checkMaxLength(options.maxLength, special + 1, this.maxLength);
    const room = limit - special;
    // One token too many tells that a text alone is cut. Of two, it matters which is the longer.
    const first = this.tokensOf(text, pair === undefined && !this.#keepsEnd ? room + 1 : Infinity);
    const second = pair === undefined ? undefined : this.tokensOf(pair, Infinity);
    const [keepFirst, keepSecond] = fit(first.ids.length, second?.ids.length ?? 0, room);
    const truncated = keepFirst < first.ids.length || keepSecond < (second?.ids.length ?? 0);
    return assemble(
      places,
      this.#kept(first, keepFirst, text),
      second === undefined ? undefined : this.#kept(second, keepSecond, pair ?? ""),
      special,
      truncated,
      options,
    );
  }

  /** The first tokens of a text, without special ones; `enough` of them, or a few more, unless there are fewer. */
  protected abstract tokensOf(text: string, enough: number): Tokens;

  /** The first `keep` tokens, or the last. */
  #kept({ ids, offsets, spaces, words }: Tokens, keep: number, text: string): Tokens {
    const from = this.#keepsEnd ? ids.length - keep : 0;
    const kept = {
      ids: ids.slice(from, from + keep),
      offsets: offsets.slice(2 * from, 2 * (from + keep)),
      spaces: spaces.slice(2 * from, 2 * (from + keep)),
      words: words.flatMap((place) => (place < from || place >= from + keep ? [] : [place - from])),
    };
    for (const trim of this.template.trims) trimOffsets(kept, trim, text);
    return kept;
  }
}

/** As the reference does it: it counts the white space of the token, and takes as many characters from its source. */
function trimOffsets({ ids, offsets, spaces }: Tokens, { keepsFirst }: Trim, text: string): void {
  for (let i = 0; i < ids.length; i++) {
    let [start, end] = [offsets[2 * i] as number, offsets[2 * i + 1] as number];
    const [leading, trailing] = [spaces[2 * i] as number, spaces[2 * i + 1] as number];
    const isOurs = (i === 0 || start === 0) && keepsFirst && leading === 1;
    for (let n = isOurs ? 0 : leading; n > 0 && start < end; n--) start += isPair(text, start) ? 2 : 1;
    for (let n = trailing; n > 0 && end > start; n--) end -= isPair(text, end - 2) ? 2 : 1;
    [offsets[2 * i], offsets[2 * i + 1]] = [start, end];
  }
}

const isPair = (text: string, at: number): boolean => (text.codePointAt(at) ?? 0) > 0xffff;

/** Ids of all tokens. */
export function idsOf(settled: Settled): { vocab: Map<string, number>; idOf: Map<string, number> } {
  const vocab = new Map(vocabEntries(settled.json));
  const idOf = new Map(vocab);
  for (const token of settled.json.added_tokens) idOf.set(token.content, token.id);
  return { vocab, idOf };
}

/** Those that are looked for in a text. */
export const soughtTokens = ({ json, splitSpecial }: Settled): AddedTokenJson[] =>
  json.added_tokens.filter(({ special }) => !(special && splitSpecial));

/** `normalize`, where it is looked for in the normalized text. */
export function addedToken(
  { content, id, single_word, lstrip, rstrip }: AddedTokenJson,
  normalize: (text: string) => string = (text) => text,
): AddedToken {
  const sought = normalize(content);
  if (sought === "") throw invalid(`of the added token ${JSON.stringify(content)} the normalizer leaves nothing`);
  return { content: sought, id, singleWord: single_word, lstrip, rstrip };
}

/** Longest encoding that any option may ask for. */
export const TOKEN_LIMIT = 1 << 20;

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
  second: Tokens | undefined,
  special: number,
  truncated: boolean,
  { offsets: withOffsets = false, wordStarts: withWords = false }: EncodeOptions,
): Encoded {
  const ids = new Int32Array(first.ids.length + (second?.ids.length ?? 0) + special);
  const typeIds = new Int32Array(ids.length);
  const offsets = new Int32Array(withOffsets ? 2 * ids.length : 0);
  const wordStarts = new Uint8Array(withWords ? ids.length : 0);
  let at = 0;
  for (const place of places) {
    const tokens = "ids" in place ? undefined : place.sequence === "A" ? first : second;
    const list = "ids" in place ? place.ids : (tokens?.ids ?? []);
    ids.set(list, at);
    typeIds.fill(place.typeId, at, at + list.length);
    if (withOffsets && tokens !== undefined) offsets.set(tokens.offsets, 2 * at);
    if (withWords) {
      for (const place of tokens?.words ?? list.keys()) wordStarts[at + place] = 1;
      if (tokens !== undefined && list.length > 0) wordStarts[at] = 1; // the rest of a word that was cut at its start
    }
    at += list.length;
  }
  return { ids, typeIds, offsets, wordStarts, truncated };
}
