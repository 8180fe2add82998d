/**
 * Which rows make a batch, and which of them a shard, with little spent on padding: rows of like length go together,
 * and yet every epoch is another mix. Both are functions of lengths, seed and epoch; threads have no say.
 */
import { PURPOSE, invariant, paddedLength, permutation, type Seed } from "../../base/index.ts";

export interface EpochOptions {
  /** Tokens of each row. */
  readonly lengths: ArrayLike<number>;
  /** Rows in a batch; the last batch may have fewer. */
  readonly batchSize: number;
  readonly seed: Seed;
  readonly epoch: number;
  /** Rows count as at most this long (the trainer cuts them there). */
  readonly tokensPerRowCap?: number;
}

/** Rows are sorted by length among this many batches' worth: more saves padding, fewer mixes better. */
const POOL_BATCHES = 50;

/**
 * Batches of row numbers in the order of the epoch, every row once. Within a batch, rows are in the order of rising
 * length.
 */
export function planEpoch({ lengths, batchSize, seed, epoch, tokensPerRowCap = Infinity }: EpochOptions): Int32Array[] {
  invariant(Number.isInteger(batchSize) && batchSize > 0, `a batch has at least one row, not ${batchSize}`);
  const order = permutation(lengths.length, seed, PURPOSE.shuffle, epoch, 0);
  const length = (row: number): number => Math.min(lengths[row] as number, tokensPerRowCap);
  const batches: Int32Array[] = [];
  for (let start = 0; start < order.length; start += batchSize * POOL_BATCHES) {
    // Sorting is stable: rows of one length keep the order of the permutation.
    const pool = Int32Array.from(
      Array.from(order.subarray(start, start + batchSize * POOL_BATCHES)).sort((a, b) => length(a) - length(b)),
    );
    for (let at = 0; at < pool.length; at += batchSize) batches.push(pool.slice(at, at + batchSize));
  }
  return Array.from(
    permutation(batches.length, seed, PURPOSE.shuffle, epoch, 1),
    (place) => batches[place] as Int32Array,
  );
}

/**
 * The rows of a batch as `shards` groups, by rising length, so that the largest group has as few padded tokens as
 * possible. A group may be empty. Threads wait for the slowest shard, so the largest is what counts.
 */
export function shardBatch(batch: Int32Array, lengths: ArrayLike<number>, shards: number): Int32Array[] {
  invariant(
    Number.isInteger(shards) && shards > 0 && (shards & (shards - 1)) === 0,
    `the number of shards is a power of two, not ${shards}`,
  );
  const rows = Int32Array.from(Array.from(batch).sort((a, b) => (lengths[a] as number) - (lengths[b] as number)));
  const padded = Array.from(rows, (row) => paddedLength(lengths[row] as number));
  let low = padded.reduce((most, tokens) => Math.max(most, tokens), 0);
  let high = low * rows.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (cut(padded, middle).length <= shards) high = middle;
    else low = middle + 1;
  }
  const ends = cut(padded, low);
  return Array.from({ length: shards }, (_, shard) =>
    rows.slice(shard === 0 ? 0 : (ends[shard - 1] ?? rows.length), ends[shard] ?? rows.length),
  );
}

/**
 * Ends of the fewest groups of at most `capacity` padded tokens each, filled from the longest rows down so that long
 * rows share least.
 */
function cut(padded: readonly number[], capacity: number): number[] {
  const ends: number[] = [];
  for (let end = padded.length; end > 0;) {
    ends.unshift(end);
    end -= Math.max(1, Math.min(end, Math.floor(capacity / (padded[end - 1] as number))));
  }
  return ends;
}
