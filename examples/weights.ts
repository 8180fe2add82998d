/** Weights of shards by functions of one's own: `node examples/weights.ts [table.csv] [store]`. */
import { fileURLToPath } from "node:url";
import { train, type ShardWeightFunction } from "lockstep";

const shipped = fileURLToPath(new URL("./banking77/test.csv", import.meta.url));
const [data = shipped, out = "./models/weights"] = process.argv.slice(2);

/** A curriculum: short texts first, all alike from the middle of the phase on. Shards are sorted by length. */
const curriculum: ShardWeightFunction = ({ step, steps, shards }) => {
  const open = Math.min(1, 0.25 + (1.5 * step) / steps); // share of the shards that count whole
  return shards.map(({ shard, losses }) => (shard < open * shards.length ? losses : losses / 8));
};

/** Classes alike: a text counts by one over the texts of its class in the batch; and more where the loss was large. */
const balanced: ShardWeightFunction = ({ shards, earlier }) => {
  const texts = new Map<string, number>();
  for (const { labels = [] } of shards) for (const label of labels) texts.set(label, (texts.get(label) ?? 0) + 1);
  const before = earlier.at(-1)?.losses;
  return shards.map(({ shard, labels = [] }) => {
    const loss = before?.[shard] ?? 1;
    return labels.reduce((sum, label) => sum + 1 / (texts.get(label) ?? 1), 0) * (Number.isNaN(loss) ? 1 : 1 + loss);
  });
};

// The recipe has the names: a function that does something else needs another one.
const version = await train(
  {
    data,
    seed: 1,
    phases: [
      { objective: "masked-lm", epochs: 1, shard_weights: { function: "curriculum/1" } },
      { objective: "classify", epochs: 1, shard_weights: { function: "balanced/1" } },
    ],
  },
  { out, shardWeights: { "curriculum/1": curriculum, "balanced/1": balanced } },
);
console.log(`version  ${version.version}`);
console.log(`recipe   ${version.recipeSha256}`);
