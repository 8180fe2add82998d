/**
 * Keys and values of sequences that have ended, for others that begin in the same way. It belongs to one decoder of one
 * version, so what it gives is never stale; and since a token's bits do not depend on the steps that it was computed
 * in, it changes no answer. Bounded; what was not used for the longest time goes first.
 */
import { roomOf } from "./schedule.ts";
import type { Sequence } from "./sequence.ts";

/** Fewer tokens than this are computed again sooner than copied. */
const FEWEST = 8;

interface Entry {
  readonly ids: Int32Array;
  readonly sequence: Sequence;
}

export class PrefixCache {
  readonly #tokens: number;
  /** The one used last at the end. */
  #entries: Entry[] = [];
  #hits = 0;

  /** `tokens`: of all entries together; 0 keeps nothing. */
  constructor(tokens: number) {
    this.#tokens = tokens;
  }

  /** Tokens that its entries take room for. */
  get room(): number {
    return this.#entries.reduce((sum, { sequence }) => sum + roomOf(sequence.length), 0);
  }
  get size(): number {
    return this.#entries.length;
  }
  /** How often a sequence began with something of it. */
  get hits(): number {
    return this.#hits;
  }

  /** Takes a sequence over that has computed the first of these ids. */
  keep(ids: Int32Array, sequence: Sequence): void {
    const own = ids.subarray(0, sequence.length);
    const covered = this.#entries.findLast((entry) => common(entry.ids, own) === own.length);
    if (covered !== undefined) this.#use(covered);
    if (covered !== undefined || own.length < FEWEST || roomOf(own.length) > this.#tokens) return sequence.close();
    const [within, others] = [this.#entries.filter(isWithin(own)), this.#entries.filter((one) => !isWithin(own)(one))];
    for (const entry of within) entry.sequence.close();
    this.#entries = [...others, { ids: own.slice(), sequence }];
    while (this.room > this.#tokens) this.#entries.shift()!.sequence.close();
  }

  /** A sequence with as many of the first ids as an entry has, at most `most`; undefined where that is too few. */
  fork(ids: Int32Array, most: number): Sequence | undefined {
    let [best, length]: [Entry | undefined, number] = [undefined, FEWEST - 1];
    for (const entry of this.#entries) {
      const shared = Math.min(common(entry.ids, ids), most);
      if (shared > length) [best, length] = [entry, shared];
    }
    if (best === undefined) return undefined;
    this.#use(best);
    this.#hits++;
    return best.sequence.fork(length);
  }

  clear(): void {
    for (const { sequence } of this.#entries) sequence.close();
    this.#entries = [];
  }

  #use(entry: Entry): void {
    this.#entries = [...this.#entries.filter((one) => one !== entry), entry];
  }
}

function isWithin(ids: Int32Array): (entry: Entry) => boolean {
  return (entry) => common(entry.ids, ids) === entry.ids.length;
}

function common(a: Int32Array, b: Int32Array): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
