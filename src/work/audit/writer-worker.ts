/**
 * Entry of the writer's thread: SQLite is synchronous and waits for the disk, so it must not run where requests are
 * served.
 */
import { parentPort, workerData } from "node:worker_threads";
import { encodeError, invariant } from "../../base/index.ts";
import type { WriterCall, WriterOptions, WriterReply, WriterRequest, WriterResults } from "./messages.ts";
import { LogWriter } from "./writer.ts";

invariant(parentPort !== null, "writer-worker runs as a worker");
const port = parentPort;
const options = workerData as WriterOptions;
let writer: LogWriter | undefined;

port.on("message", (request: WriterRequest) => {
  port.postMessage(answer(request));
  if (request.kind === "close") port.close();
});

function answer(request: WriterRequest): WriterReply {
  try {
    return { id: request.id, ok: true, value: perform((writer ??= new LogWriter(options)), request) };
  } catch (error) {
    return { id: request.id, ok: false, error: encodeError(error) };
  }
}

function perform(log: LogWriter, call: WriterCall): WriterResults[WriterCall["kind"]] {
  switch (call.kind) {
    case "append":
      return log.append(call.inputs);
    case "get":
      return log.get(call.receipt);
    case "list":
      return log.list(call.query);
    case "refersTo":
      return log.refersTo(call.version);
    case "erase":
      return log.erase(call.receipt, call.at);
    case "status":
      return log.status();
    case "check":
      log.check();
      return undefined;
    case "close":
      log.close();
      return undefined;
  }
}
