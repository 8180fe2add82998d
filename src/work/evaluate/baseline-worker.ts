/** Worker entry: trains the linear baseline and answers its texts. */
import { parentPort, workerData } from "node:worker_threads";
import { encodeError, invariant } from "../../base/index.ts";
import { trainLinearBaseline, type BaselineReply, type BaselineTask } from "./baseline.ts";

const port = parentPort;
invariant(port !== null, "baseline-worker.ts is a worker's entry");
const { texts, labels, numClasses, seed, predict } = workerData as BaselineTask;

async function reply(): Promise<BaselineReply> {
  try {
    const baseline = await trainLinearBaseline(texts, labels, numClasses, { seed });
    return { kind: "done", predicted: baseline.predict(predict) };
  } catch (error) {
    return { kind: "failed", error: encodeError(error) };
  }
}

port.postMessage(await reply());
