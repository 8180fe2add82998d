/**
 * How shards are weighted, as integers: with policy weight aₛ and nₛ losses in shard s, the step's gradient is
 * Σₛ αₛ · mean of shard s, αₛ = aₛ / Σ a, Σ α = 1. Each shard's program is scaled by aₛ / nₛ, and the divisor Σ a is
 * applied once, at the root of the tree. By size, aₛ = nₛ: the scale is 1 and the result the plain mean over the batch.
 */
export type ShardWeights = "size" | "equal";

/** The scale of a shard's program; `count` > 0. */
export function shardScale(policy: ShardWeights, count: number): number {
  return policy === "size" ? 1 : 1 / count;
}

/** Σ a over the shards that are not skipped. */
export function divisor(policy: ShardWeights, counts: ArrayLike<number>): number {
  let sum = 0;
  for (let shard = 0; shard < counts.length; shard++)
    sum += policy === "size" ? counts[shard]! : Math.min(1, counts[shard]!);
  return sum;
}
