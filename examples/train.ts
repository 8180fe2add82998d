/** Trains a classifier on a table and publishes it as a version: `node examples/train.ts [table.csv] [store]`. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { train } from "lockstep";

const shipped = fileURLToPath(new URL("./banking77/train.csv", import.meta.url));
const [data = shipped, out = "./models/example"] = process.argv.slice(2);
if (!existsSync(data)) throw new Error(`${data} is not there; name a CSV or JSON-lines file of texts and labels`);

// Ctrl-C saves a checkpoint; the same call with `resume: true` goes on from it.
const interrupted = new AbortController();
process.once("SIGINT", () => {
  interrupted.abort();
});

// A few passes only, so that the example is over in a minute on two cores. Leave pretrain and finetune out for the
// defaults.
const version = await train(
  { data, seed: 1, pretrain: { epochs: 1 }, finetune: { epochs: 3 } },
  {
    out,
    signal: interrupted.signal,
    onProgress: (event) => {
      if (event.kind === "stage") console.log(event.stage);
      if (event.kind === "epoch") console.log(`${event.phase}: epoch ${event.epoch} of ${event.epochs}`);
    },
  },
);

console.log(`version  ${version.version}`);
console.log(`weights  ${version.weightsSha256}`);
console.log(
  `accuracy on the validation split: ${version.metrics.validation?.accuracy?.value.toFixed(3) ?? "none was held out"}`,
);
