/**
 * BPE and Unigram tokenizers in our own code (piece-pipeline.ts says which): exact beside the reference library, on
 * every machine and without it. A long text alone is read in windows until enough tokens are found, where its
 * pre-tokenizer breaks at spaces.
 */
import { AddedTokens } from "./added-tokens.ts";
import type { PieceModel } from "./bpe.ts";
import { addedToken, idsOf, noTokens, OwnTokenizer, soughtTokens, type Tokens } from "./own-tokenizer.ts";
import { part, pieceOf, textOfPiece, type Piece } from "./piece.ts";
import type { PiecePipeline } from "./piece-pipeline.ts";
import { isNormalized } from "./schema.ts";
import type { Settled } from "./settled.ts";
import { isSpace } from "./unicode.ts";

/** Code units of a window, at least. */
const WINDOW = 8192;

export class PieceTokenizer extends OwnTokenizer {
  readonly #pipeline: PiecePipeline;
  readonly #model: PieceModel;
  readonly #raw: AddedTokens;
  readonly #normalized: AddedTokens;
  /** Of a token: white space at its start and at its end. */
  readonly #spaces: readonly (readonly [number, number] | undefined)[];

  constructor(settled: Settled, pipeline: PiecePipeline) {
    const { vocab, idOf } = idsOf(settled);
    const normalize = (text: string): string => textOfPiece(pipeline.normalize(pieceOf(text, 0, text.length)));
    super(settled, idOf, normalize);
    this.#pipeline = pipeline;
    this.#model = pipeline.makeModel(vocab);
    const sought = soughtTokens(settled);
    this.#raw = new AddedTokens(sought.filter((token) => !isNormalized(token)).map((token) => addedToken(token)));
    this.#normalized = new AddedTokens(sought.filter(isNormalized).map((token) => addedToken(token, normalize)));
    const spaces: (readonly [number, number])[] = [];
    if (this.template.trims.length > 0) for (const [token, id] of vocab) spaces[id] = spacesOf(token, "Ġ");
    this.#spaces = spaces;
  }

  protected override tokensOf(text: string, enough: number): Tokens {
    const tokens = noTokens();
    this.#raw.split(
      text,
      (from, to) => this.#appendText(text, from, to, tokens, enough),
      ({ id, start, end }) => {
        this.#push(tokens, id, start, end, text.slice(start, end));
        return tokens.ids.length < enough;
      },
    );
    return tokens;
  }

  /** Text that holds no added token as it is. */
  #appendText(text: string, from: number, to: number, tokens: Tokens, enough: number): boolean {
    const windows = this.#pipeline.breaksAtSpaces && this.#normalized.longest === 0;
    for (let at = from; at < to && tokens.ids.length < enough;) {
      const end = windows ? windowEnd(text, at, to) : to;
      this.#appendNormalized(this.#pipeline.normalize(pieceOf(text, at, end)), tokens, enough);
      at = end;
    }
    return tokens.ids.length < enough;
  }

  #appendNormalized(piece: Piece, tokens: Tokens, enough: number): void {
    if (this.#normalized.longest === 0) {
      this.#cut(piece, tokens, enough);
      return;
    }
    const text = textOfPiece(piece);
    let [unit, index] = [0, piece.from];
    const forward = (place: number): number => {
      while (unit < place) unit += (piece.codes[index++] as number) > 0xffff ? 2 : 1;
      return index;
    };
    this.#normalized.split(
      text,
      (start, end) => {
        const first = forward(start);
        this.#cut(part(piece, first, forward(end)), tokens, enough);
        return tokens.ids.length < enough;
      },
      ({ id, start, end }) => {
        const [first, after] = [forward(start), forward(end)];
        const [from, to] = [piece.starts[first] as number, piece.ends[after - 1] as number];
        this.#push(tokens, id, from, to, text.slice(start, end));
        return tokens.ids.length < enough;
      },
    );
  }

  #cut(piece: Piece, tokens: Tokens, enough: number): void {
    const { cutters } = this.#pipeline;
    const through = (one: Piece, stage: number): boolean => {
      const cutter = cutters[stage];
      if (cutter !== undefined) return cutter(one, (smaller) => through(smaller, stage + 1));
      const { ids, firsts, lasts } = this.#model.cut(one);
      if (ids.length > 0) tokens.words.push(tokens.ids.length);
      for (let i = 0; i < ids.length; i++) {
        const start = one.starts[one.from + (firsts[i] as number)] as number;
        this.#push(tokens, ids[i] as number, start, one.ends[one.from + (lasts[i] as number) - 1] as number);
      }
      return tokens.ids.length < enough;
    };
    if (piece.from < piece.to) through(piece, 0);
  }

  /** `found`: the text of an added token, with the white space that it took along. */
  #push(tokens: Tokens, id: number, start: number, end: number, found?: string): void {
    if (found !== undefined) tokens.words.push(tokens.ids.length);
    tokens.ids.push(id);
    tokens.offsets.push(start, end);
    if (this.template.trims.length === 0) return;
    const [before, after] = (found === undefined ? this.#spaces[id] : spacesOf(found, "Ġ")) ?? [0, 0];
    tokens.spaces.push(before, after);
  }
}

/** White space at a token's start and end, in code units; `mark` stands for a space. */
function spacesOf(token: string, mark: string): readonly [number, number] {
  const counts = (at: number): boolean => token[at] === mark || isSpace(token.charCodeAt(at));
  let [before, after] = [0, 0];
  while (before < token.length && counts(before)) before++;
  while (after < token.length && counts(token.length - 1 - after)) after++;
  return [before, after];
}

/** Before a space after an ASCII letter or digit, which no normalizer changes and no word goes beyond. */
function windowEnd(text: string, from: number, to: number): number {
  for (let at = from + WINDOW; at < to; at++) {
    if (text.charCodeAt(at) !== 0x20) continue;
    if (/[0-9A-Za-z]/.test(text.charAt(at - 1))) return at;
  }
  return to;
}
