/**
 * A training of the public verb on a disk that names every step. Arguments: store, the kind of step to die before ("":
 * print them all).
 */
import { writeSync } from "node:fs";
import { trainOn } from "../../src/edge/api/train.ts";
import { nodeFileSystem, withSteps } from "../../src/work/store/index.ts";
import { kindOf } from "../store/support/kind-of.ts";
import { BRIEF } from "./brief.ts";

const [store = "", fatal = ""] = process.argv.slice(2);
const fs = withSteps(nodeFileSystem, store, (step) => {
  if (fatal === "") writeSync(1, `${kindOf(step)}\n`);
  else if (kindOf(step) === fatal) process.kill(process.pid, "SIGKILL");
});
await trainOn({ fs, checkpointSeconds: 0 }, BRIEF, { out: store, threads: 1 });
