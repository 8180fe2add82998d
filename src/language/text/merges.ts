/**
 * The heart of WordPiece training as Hugging Face's `WordPieceTrainer` does it (byte-pair merges, Sennrich et al.
 * 2016): again and again the most frequent pair of neighbouring pieces becomes a piece. Pair counts are kept up to date
 * instead of counted anew, so a merge costs the words that hold the pair and no more. Of equal counts the pair with the
 * smaller ids goes first (left id, then right id), so the result is a function of the word counts alone.
 */
import { Heap } from "./heap.ts";

/** A pair of piece ids as one number: a * 2^21 + b, below 2^42. Ids stay under 2^20 (the limit of a vocabulary). */
type Pair = number;
const SHIFT = 0x20_0000;

interface Candidate {
  readonly pair: Pair;
  readonly count: number;
}

/**
 * `words[w]` are the pieces of a distinct word (changed in place) that occurs `counts[w]` times. Calls `join(a, b)` for
 * each chosen pair, best first; it returns the id of the joined piece. Ends when `join` returns undefined (the
 * vocabulary is full) or no pair occurs `minFrequency` times.
 */
export function mergePairs(
  words: number[][],
  counts: readonly number[],
  minFrequency: number,
  join: (a: number, b: number) => number | undefined,
): void {
  const pairCounts = new Map<Pair, number>();
  const places = new Map<Pair, Set<number>>();
  const add = (pair: Pair, word: number, amount: number): void => {
    pairCounts.set(pair, (pairCounts.get(pair) ?? 0) + amount);
    let where = places.get(pair);
    if (where === undefined) places.set(pair, (where = new Set()));
    where.add(word);
  };
  words.forEach((pieces, w) => {
    for (let i = 1; i < pieces.length; i++)
      add(pairOf(pieces[i - 1] as number, pieces[i] as number), w, counts[w] as number);
  });
  const heap = new Heap<Candidate>((x, y) => x.count > y.count || (x.count === y.count && x.pair < y.pair));
  for (const [pair, count] of pairCounts) heap.push({ pair, count });

  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const { pair } = top;
    const count = pairCounts.get(pair) ?? 0;
    if (count !== top.count) {
      if (count > 0 && count < top.count) heap.push({ pair, count });
      continue; // A count that has grown was pushed when it grew.
    }
    if (count < Math.max(1, minFrequency)) return;
    const [a, b] = [Math.floor(pair / SHIFT), pair % SHIFT];
    const joined = join(a, b);
    if (joined === undefined) return;
    const grown = new Set<Pair>();
    for (const w of places.get(pair) ?? []) {
      const weight = counts[w] as number;
      replace(words[w] as number[], a, b, joined, (changed, amount) => {
        add(changed, w, amount * weight);
        if (amount > 0) grown.add(changed);
      });
    }
    pairCounts.delete(pair);
    places.delete(pair);
    for (const changed of grown) {
      const now = pairCounts.get(changed) ?? 0;
      if (now > 0 && changed !== pair) heap.push({ pair: changed, count: now });
    }
  }
}

/**
 * Joins every a, b in `pieces` from the left; reports each neighbouring pair that went (-1) or came (+1), except the
 * pair itself.
 */
function replace(
  pieces: number[],
  a: number,
  b: number,
  joined: number,
  change: (pair: Pair, amount: 1 | -1) => void,
): void {
  for (let i = 0; i + 1 < pieces.length; i++) {
    if (pieces[i] !== a || pieces[i + 1] !== b) continue;
    if (i > 0) {
      change(pairOf(pieces[i - 1] as number, a), -1);
      change(pairOf(pieces[i - 1] as number, joined), 1);
    }
    if (i + 2 < pieces.length) {
      change(pairOf(b, pieces[i + 2] as number), -1);
      change(pairOf(joined, pieces[i + 2] as number), 1);
    }
    pieces.splice(i, 2, joined);
  }
}

const pairOf = (a: number, b: number): Pair => a * SHIFT + b;
