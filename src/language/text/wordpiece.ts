/**
 * WordPiece: a word becomes the longest tokens that match from the left; a word with no such cover, or of too many
 * characters, is the unknown token (Devlin et al. 2018). Words repeat, so their pieces are kept.
 */

/** Ids of a word's pieces and where each ends in the word (code units); piece i starts where piece i - 1 ends. */
export interface Pieces {
  readonly ids: readonly number[];
  readonly ends: readonly number[];
}

export interface WordPieceOptions {
  readonly vocab: ReadonlyMap<string, number>;
  readonly unknownId: number;
  /** Before a piece that continues a word. */
  readonly prefix: string;
  /** A word of more characters (code points) is unknown. */
  readonly maxWordLength: number;
}

/** Words kept at most; when full, all are forgotten, which changes the time and nothing else. */
const CACHE_SIZE = 16_384;

export class WordPiece {
  readonly #options: WordPieceOptions;
  readonly #longest: number;
  readonly #cache = new Map<string, Pieces>();

  constructor(options: WordPieceOptions) {
    this.#options = options;
    let longest = 1;
    for (const token of options.vocab.keys()) longest = Math.max(longest, token.length);
    this.#longest = longest;
  }

  pieces(word: string): Pieces {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const pieces = this.#split(word);
    if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
    // A very long word would make the cache's size in bytes unbounded.
    if (word.length <= 256) this.#cache.set(word, pieces);
    return pieces;
  }

  #split(word: string): Pieces {
    const { vocab, unknownId, prefix, maxWordLength } = this.#options;
    const unknown: Pieces = { ids: [unknownId], ends: [word.length] };
    // Code units bound code points from above and half of them from below; count exactly only in between.
    if (word.length > 2 * maxWordLength || (word.length > maxWordLength && Array.from(word).length > maxWordLength))
      return unknown;
    const ids: number[] = [];
    const ends: number[] = [];
    for (let start = 0; start < word.length;) {
      let end = Math.min(word.length, start + this.#longest);
      let id: number | undefined;
      for (; end > start; end--) {
        const piece = word.slice(start, end);
        id = vocab.get(start === 0 ? piece : prefix + piece);
        if (id !== undefined) break;
      }
      if (id === undefined) return unknown;
      ids.push(id);
      ends.push(end);
      start = end;
    }
    return { ids, ends };
  }
}
