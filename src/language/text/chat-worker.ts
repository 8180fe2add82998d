/** Worker entry: renders chat templates, one after the other. Its owner ends it when one takes too long. */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../base/index.ts";
import { renderTemplate, type ChatLimits, type RenderTask } from "./jinja.ts";

const port = parentPort;
invariant(port !== null, "chat-worker.ts is a worker's entry");
const limits = workerData as ChatLimits;

port.on("message", (task: RenderTask) => port.postMessage(renderTemplate(task, limits)));
