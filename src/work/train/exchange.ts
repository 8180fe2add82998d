/**
 * What workers tell each other within a step, beside gradients: a few numbers per shard and per block, in shared
 * memory. Barriers order all access.
 */
import { policyOf, type ShardWeights } from "./shard-weights.ts";

export interface Exchange {
  /** Losses summed in each shard; 0: skipped. */
  readonly counts: Int32Array;
  /** Weights of shards, integers; 0: skipped. */
  readonly weights: Float64Array;
  /** Each shard's loss, scaled as its gradient. */
  readonly losses: Float64Array;
  readonly tokens: Int32Array;
  readonly paddedTokens: Int32Array;
  /** Sum of squares of each block of the reduced gradient. */
  readonly blockSums: Float64Array;
  /** What the weights of shards remember of earlier steps; empty where they remember nothing. */
  readonly remembered: Float64Array;
  /** [rows of a batch, width]: what the objective has the shards know of each other; empty where it has nothing. */
  readonly shared: Float32Array;
}

export function createExchange(shardWeights: ShardWeights, shards: number, blocks: number, shared: number): Exchange {
  const ints = () => new Int32Array(new SharedArrayBuffer(4 * shards));
  const doubles = (length: number) => new Float64Array(new SharedArrayBuffer(8 * length));
  const first = policyOf(shardWeights).initialState?.(shards) ?? new Float64Array(0);
  const remembered = doubles(first.length);
  remembered.set(first);
  return {
    counts: ints(),
    weights: doubles(shards),
    losses: doubles(shards),
    tokens: ints(),
    paddedTokens: ints(),
    blockSums: doubles(blocks),
    remembered,
    shared: new Float32Array(new SharedArrayBuffer(4 * shared)),
  };
}
