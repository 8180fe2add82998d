/**
 * What workers tell each other within a step, beside gradients: a few numbers per shard and per block, in shared
 * memory. Barriers order all access.
 */
export interface Exchange {
  /** Losses summed in each shard; 0: skipped. */
  readonly counts: Int32Array;
  /** Each shard's loss, scaled as its gradient. */
  readonly losses: Float64Array;
  readonly tokens: Int32Array;
  readonly paddedTokens: Int32Array;
  /** Sum of squares of each block of the reduced gradient. */
  readonly blockSums: Float64Array;
}

export function createExchange(shards: number, blocks: number): Exchange {
  const ints = () => new Int32Array(new SharedArrayBuffer(4 * shards));
  const doubles = (length: number) => new Float64Array(new SharedArrayBuffer(8 * length));
  return { counts: ints(), losses: doubles(shards), tokens: ints(), paddedTokens: ints(), blockSums: doubles(blocks) };
}
