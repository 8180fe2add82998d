/**
 * Worker entry: builds a tokenizer that may bring regular expressions of its own and runs it on request. It holds no
 * ONNX Runtime, so it can be terminated at any time, also in the middle of an expression.
 */
import { parentPort, workerData } from "node:worker_threads";
import { encodeError, invariant } from "../../base/index.ts";
import { loadTokenizerUnguarded } from "./load.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { probeTexts } from "./probe-texts.ts";
import type { Tokenizer } from "./types.ts";

const port = parentPort;
invariant(port !== null, "probe-worker.ts is a worker's entry");
const send = (message: FromWorker): void => port.postMessage(message);
const { source, maxLength } = workerData as WorkerStart;

function answer(tokenizer: Tokenizer, message: ToWorker): FromWorker {
  try {
    if (message.kind === "encode")
      return { kind: "encoded", id: message.id, encoded: tokenizer.encode(message.text, message.options) };
    for (const text of probeTexts()) tokenizer.decode(tokenizer.encode(text).ids);
    return { kind: "probed", id: message.id };
  } catch (error) {
    return { kind: "failed", id: message.id, error: encodeError(error) };
  }
}

try {
  const tokenizer = loadTokenizerUnguarded(source, { maxLength });
  port.on("message", (message: ToWorker) => send(answer(tokenizer, message)));
  send({ kind: "ready", vocabSize: tokenizer.vocabSize, special: tokenizer.special });
} catch (error) {
  send({ kind: "failed", id: -1, error: encodeError(error) });
}
