/**
 * A training that is going to be killed. Arguments: folder for checkpoints, threads. Says the state's digest after
 * every step, and in the end what came out.
 */
import { writeSync } from "node:fs";
import { digestTensors } from "../../src/numeric/tensor/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { smallInput } from "./small.ts";
import { KILLED, KILLED_RUN } from "./kill-recipe.ts";

const [folder = "", threads = "1"] = process.argv.slice(2);
const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};
const model = await runTraining(await smallInput(KILLED, 160), {
  ...KILLED_RUN,
  threads: Number(threads),
  digests: true,
  checkpoints: { folder, everySeconds: 0.03, resume: true },
  onEvent: (event) => {
    if (event.kind === "digest") say(`${event.phase} ${event.step} ${event.sha256}`);
  },
});
say(JSON.stringify({ state: model.stateDigest, weights: digestTensors(model.weights), steps: model.steps }));
