/** A training that is going to be killed. Arguments: folder for checkpoints, threads. Says when its first step is done, and in the end what came out. */
import { digestTensors } from "../../src/numeric/tensor/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { smallInput } from "./small.ts";
import { KILLED } from "./kill-recipe.ts";

const [folder = "", threads = "1"] = process.argv.slice(2);
let first = true;
const model = await runTraining(await smallInput(KILLED, 160), {
  threads: Number(threads), checkpoints: { folder, everySeconds: 0.1, resume: true },
  onEvent: ({ kind }) => {
    if (kind === "step" && first) process.stdout.write("started\n");
    if (kind === "step") first = false;
  },
});
process.stdout.write(`${JSON.stringify({ state: model.stateDigest, weights: digestTensors(model.weights), steps: model.steps })}\n`);
