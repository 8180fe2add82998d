/**
 * WordPiece tokenizers in our own code: normalizers and pre-tokenizers that look at single characters (pipeline.ts),
 * and a template of special tokens. Exact beside the reference library, on every machine and without it; every token
 * knows its place in the text, nothing here can run without end, and a single long text is read only until enough
 * tokens are found.
 */
import { AddedTokens } from "./added-tokens.ts";
import { Normalizer } from "./normalize.ts";
import { addedToken, append, idsOf, noTokens, OwnTokenizer, soughtTokens, type Tokens } from "./own-tokenizer.ts";
import type { Pipeline } from "./pipeline.ts";
import { invalid, isNormalized, type TokenizerJson } from "./schema.ts";
import type { Settled } from "./settled.ts";
import { WordPiece } from "./wordpiece.ts";
import { Words, type Word } from "./words.ts";

export class WordPieceTokenizer extends OwnTokenizer {
  readonly #normalizer: Normalizer;
  readonly #words: Words;
  readonly #dropsSpace: boolean;
  readonly #wordPiece: WordPiece;
  /** Found in the text as it is, and found in the normalized text. */
  readonly #raw: AddedTokens;
  readonly #normalized: AddedTokens;

  constructor(settled: Settled, { steps, splits }: Pipeline) {
    const { json, names } = settled;
    const { vocab, idOf } = idsOf(settled);
    const byId = tokensById(idOf);
    const normalizer = new Normalizer(steps);
    super(settled, idOf, (text) => normalizer.normalize(text), byId);
    for (const name of ["pad", "unk", "cls", "sep"] as const) {
      if (this.special[name] < 0) throw invalid(`the special token ${names[name]} (${name}) is not in the vocabulary`);
    }
    this.#normalizer = normalizer;
    this.#words = new Words(normalizer, splits);
    this.#dropsSpace = splits.includes("drop-space");
    this.#wordPiece = new WordPiece({
      vocab,
      unknownId: unknownId(json.model, vocab),
      prefix: readPrefix(json.model),
      maxWordLength: readMaxWord(json.model),
    });
    const sought = soughtTokens(settled);
    this.#raw = new AddedTokens(sought.filter((token) => !isNormalized(token)).map((token) => addedToken(token)));
    this.#normalized = new AddedTokens(
      sought.filter(isNormalized).map((token) => addedToken(token, (text) => normalizer.normalize(text))),
    );
  }

  /** As the reference: added tokens in the raw text, then in what lies between, normalized; what is left is words. */
  protected override tokensOf(text: string, enough: number): Tokens {
    const tokens = noTokens();
    this.#raw.split(
      text,
      (from, to) => {
        if (this.#normalized.longest > 0) this.#appendNormalized(text, from, to, tokens, enough);
        else this.#words.forEach(text, from, to, (word) => this.#appendWord(word, tokens, enough));
        return tokens.ids.length < enough;
      },
      ({ id, start, end }) => {
        tokens.words.push(tokens.ids.length);
        tokens.ids.push(id);
        tokens.offsets.push(start, end);
        return tokens.ids.length < enough;
      },
    );
    return tokens;
  }

  /**
   * With added tokens in the normalized text a piece is normalized before it is split. Of a long piece a part first:
   * what lies well before its end cannot depend on what comes after, and mostly holds enough.
   */
  #appendNormalized(text: string, from: number, to: number, tokens: Tokens, enough: number): void {
    const missing = enough - tokens.ids.length;
    for (let size = 1024 + 32 * missing; this.#dropsSpace && size < to - from; size *= 4) {
      let end = from + size;
      while (end < to && text.charCodeAt(end) >= 0x80) end++; // Nothing before an ASCII character joins it.
      if (end === to) break;
      const part = this.#splitNormalized(text, from, end, missing, this.#normalized.longest + 2);
      if (part.ids.length < missing) continue;
      append(tokens, part);
      return;
    }
    append(tokens, this.#splitNormalized(text, from, to, missing, 0));
  }

  /** Tokens of a piece, without those that the last `margin` normalized characters may still change. */
  #splitNormalized(text: string, from: number, to: number, enough: number, margin: number): Tokens {
    const piece: Piece = { codes: [], starts: [], ends: [], places: [], length: 0 };
    this.#normalizer.forEach(
      text,
      from,
      to,
      (code, start, end) => {
        piece.codes.push(code);
        piece.starts.push(start);
        piece.ends.push(end);
        piece.places.push(piece.length);
        piece.length += code > 0xffff ? 2 : 1;
      },
      () => true,
    );
    const tokens = noTokens();
    const last = piece.codes.length - margin;
    const normalized = piece.codes.map((code) => String.fromCodePoint(code)).join("");
    let unit = 0;
    const forward = (place: number): number => {
      while (unit < piece.codes.length && (piece.places[unit] as number) < place) unit++;
      return unit;
    };
    this.#normalized.split(
      normalized,
      (start, end) => {
        const cutter = this.#words.cutter((word) => this.#appendWord(word, tokens, enough));
        const first = forward(start);
        const stop = Math.min(forward(end), last);
        for (let i = first; i < stop && cutter.going(); i++)
          cutter.push(piece.codes[i] as number, piece.starts[i] as number, piece.ends[i] as number);
        if (margin === 0 || unit <= last) cutter.close(); // Else the last word may go on.
        return tokens.ids.length < enough && (margin === 0 || unit < last);
      },
      ({ id, start, end }) => {
        const [first, after] = [forward(start), forward(end)];
        if (margin > 0 && after > last) return false;
        tokens.words.push(tokens.ids.length);
        tokens.ids.push(id);
        tokens.offsets.push(piece.starts[first] as number, piece.ends[after - 1] as number);
        return tokens.ids.length < enough;
      },
    );
    return tokens;
  }

  /** False when there are enough. */
  #appendWord(word: Word, tokens: Tokens, enough: number): boolean {
    const { ids, ends } = this.#wordPiece.pieces(word.text);
    if (ids.length > 0) tokens.words.push(tokens.ids.length);
    let start = 0;
    for (let i = 0; i < ids.length; i++) {
      const end = ends[i] as number;
      tokens.ids.push(ids[i] as number);
      tokens.offsets.push(word.starts[start] as number, word.ends[end - 1] as number);
      start = end;
    }
    return tokens.ids.length < enough;
  }
}

/** A normalized piece of a text: code points, where each came from, and where each stands in the piece's own text. */
interface Piece {
  readonly codes: number[];
  readonly starts: number[];
  readonly ends: number[];
  readonly places: number[];
  length: number;
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
