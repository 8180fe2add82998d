/**
 * One piece of work on a store, killed with SIGKILL before a numbered step. Arguments: root, scenario, step (-1: print
 * the steps).
 */
import { openStore, nodeFileSystem, saveCheckpoint, withSteps } from "../../../src/work/store/index.ts";
import { bytes, SECOND } from "./state.ts";

const [root = "", scenario = "", stepText = ""] = process.argv.slice(2);
const fatal = Number(stepText);
const steps: string[] = [];

const fs = withSteps(nodeFileSystem, root, (step) => {
  if (steps.length === fatal) process.kill(process.pid, "SIGKILL");
  steps.push(step);
});

if (scenario === "publish") {
  await (await openStore(root, { fs })).publish(SECOND, { alias: "champion" });
} else {
  await saveCheckpoint(
    `${root}/runs/one`,
    { step: 3, meta: {}, buffers: new Map([["weights", bytes("weights 3")]]) },
    fs,
  );
}
process.stdout.write(JSON.stringify(steps));
