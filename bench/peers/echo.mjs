/** What piscina and a worker of synckit run: gives back what it is given. */
import { workerData } from "node:worker_threads";
import { runAsWorker } from "synckit";

if (workerData !== null && typeof workerData === "object" && "sharedBufferView" in workerData)
  runAsWorker(async (value) => value);
export default (value) => value;
