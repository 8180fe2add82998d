/**
 * Unigram (Kudo 2018): of all ways to cut a piece into tokens the one with the greatest sum of scores, found from left
 * to right in one pass (Viterbi). Of equal sums the first that was found stays, and the sums are made in the same order
 * as in Hugging Face's `tokenizers` (models/unigram), so they are equal to the bit.
 */
import type { Cut, PieceModel } from "./bpe.ts";
import { textOfPiece, type Piece } from "./piece.ts";
import { invalid, type TokenizerJson } from "./schema.ts";
import { Trie } from "./trie.ts";

/** How much less a character without a token is worth than the worst token. */
const UNKNOWN_PENALTY = 10;

export class Unigram implements PieceModel {
  readonly #vocab: ReadonlyMap<string, number>;
  readonly #trie: Trie;
  readonly #scores: Float64Array;
  readonly #unknown: number;
  readonly #unknownScore: number;
  readonly #byteFallback: boolean;

  constructor(model: TokenizerJson["model"], vocab: ReadonlyMap<string, number>) {
    const entries = model.vocab as readonly (readonly [string, number])[];
    const { unk_id: unknown } = model;
    if (!Number.isInteger(unknown) || (unknown as number) < 0 || (unknown as number) >= entries.length)
      throw invalid("model.unk_id is not the id of a token, and a character that no token has needs one");
    this.#vocab = vocab;
    this.#trie = new Trie(vocab);
    this.#scores = Float64Array.from(entries, ([, score]) => score);
    if (!this.#scores.every(Number.isFinite)) throw invalid("model.vocab has a score that is not finite");
    this.#unknown = unknown as number;
    this.#unknownScore = this.#scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;
    this.#byteFallback = model["byte_fallback"] === true;
  }

  cut(piece: Piece): Cut {
    const text = textOfPiece(piece);
    const length = text.length;
    /** Of the best way to each place (code units): its score, its last token, and where that begins; -1: none yet. */
    const best = new Float64Array(length + 1);
    const ids = new Int32Array(length + 1);
    const begins = new Int32Array(length + 1).fill(-1);
    const reach = (place: number, from: number, id: number, score: number): void => {
      if (begins[place] !== -1 && !(score > (best[place] as number))) return;
      best[place] = score;
      begins[place] = from;
      ids[place] = id;
    };
    for (let at = 0; at < length;) {
      const next = at + ((text.codePointAt(at) as number) > 0xffff ? 2 : 1);
      const here = best[at] as number;
      let single = false;
      this.#trie.prefixes(text, at, (end, id) => {
        reach(end, at, id, (this.#scores[id] as number) + here);
        single ||= end === next;
      });
      if (!single) reach(next, at, this.#unknown, this.#unknownScore + here);
      at = next;
    }
    return this.#tokens(text, ids, begins);
  }

  /** Back from the end. Unknown characters that follow each other are one token. */
  #tokens(text: string, best: Int32Array, begins: Int32Array): Cut {
    const spans: (readonly [number, number])[] = [];
    let unknownEnd: number | undefined;
    for (let end = text.length; end > 0;) {
      const start = begins[end] as number;
      if (best[end] === this.#unknown) unknownEnd ??= end;
      else {
        if (unknownEnd !== undefined) spans.push([end, unknownEnd]);
        unknownEnd = undefined;
        spans.push([start, end]);
      }
      end = start;
    }
    if (unknownEnd !== undefined) spans.push([0, unknownEnd]);
    spans.reverse();
    const cut = { ids: [] as number[], firsts: [] as number[], lasts: [] as number[] };
    let place = 0;
    for (const [start, end] of spans) {
      const token = text.slice(start, end);
      const last = place + codePoints(token);
      for (const id of this.#idsOf(token)) {
        cut.ids.push(id);
        cut.firsts.push(place);
        cut.lasts.push(last);
      }
      place = last;
    }
    return cut;
  }

  #idsOf(token: string): readonly number[] {
    const id = this.#vocab.get(token);
    if (id !== undefined) return [id];
    const bytes = this.#byteFallback
      ? Array.from(new TextEncoder().encode(token), (byte) =>
          this.#vocab.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
        )
      : [undefined];
    return bytes.includes(undefined) ? [this.#unknown] : (bytes as number[]);
  }
}

function codePoints(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; count++) at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
  return count;
}
