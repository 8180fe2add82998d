/**
 * The bar a language model has to clear: TF-IDF and a linear SVM, seconds of work on one thread. `trainLinearBaseline`
 * gives the event loop a turn after each class; `runLinearBaseline` does all of it in a worker thread, so that a server
 * goes on undisturbed.
 */
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { LockstepError, decodeError, type EncodedError, type Seed, ownFile } from "../../base/index.ts";
import { TfIdf } from "./features.ts";
import { trainOneClass } from "./linear-svm.ts";

export interface LinearBaseline {
  /** Class of each text; a tie goes to the smaller class. */
  predict(texts: readonly string[]): Int32Array;
}

/**
 * `labels` are classes 0 .. numClasses - 1. Deterministic: same texts, labels and seed, same answers. Throws
 * DATA_INVALID or CANCELLED.
 */
export async function trainLinearBaseline(
  texts: readonly string[],
  labels: ArrayLike<number>,
  numClasses: number,
  options: { readonly seed: Seed; readonly signal?: AbortSignal },
): Promise<LinearBaseline> {
  if (texts.length === 0 || texts.length !== labels.length)
    throw new LockstepError(
      "DATA_INVALID",
      `there are ${texts.length} texts and ${labels.length} labels; a baseline needs as many, and at least one`,
    );
  const tfIdf = new TfIdf(texts);
  const classes: Float64Array[] = [];
  for (let c = 0; c < numClasses; c++) {
    classes.push(trainOneClass(tfIdf.rows, labels, c, tfIdf.columns, { seed: options.seed }));
    await setImmediate();
    if (options.signal?.aborted === true)
      throw new LockstepError(
        "CANCELLED",
        "the baseline's training was cancelled",
        {},
        { cause: options.signal.reason },
      );
  }
  return { predict: (others) => predict(tfIdf, classes, others) };
}

function predict(tfIdf: TfIdf, classes: readonly Float64Array[], texts: readonly string[]): Int32Array {
  const { starts, columns, values } = tfIdf.transform(texts);
  return Int32Array.from(texts, (_, row) => {
    let best = 0;
    let highest = -Infinity;
    classes.forEach((weights, c) => {
      let score = weights[tfIdf.columns] as number;
      for (let k = starts[row] as number; k < (starts[row + 1] as number); k++)
        score += (weights[columns[k] as number] as number) * (values[k] as number);
      if (score > highest) [best, highest] = [c, score];
    });
    return best;
  });
}

/** All that the worker needs. */
export interface BaselineTask {
  readonly texts: readonly string[];
  readonly labels: Int32Array;
  readonly numClasses: number;
  readonly seed: Seed;
  /** Texts to answer afterwards. */
  readonly predict: readonly string[];
}
export type BaselineReply =
  { readonly kind: "done"; readonly predicted: Int32Array } | { readonly kind: "failed"; readonly error: EncodedError };

/** Trains and answers `task.predict` in a worker thread. Throws DATA_INVALID, CANCELLED or WORKER_DIED. */
export async function runLinearBaseline(
  task: BaselineTask,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Int32Array> {
  const { signal } = options;
  const worker = new Worker(new URL(ownFile(() => import.meta.resolve("#entry/work/evaluate/baseline-worker"))), {
    workerData: task,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Int32Array>();
  const abort = (): void =>
    reject(new LockstepError("CANCELLED", "the baseline's training was cancelled", {}, { cause: signal?.reason }));
  worker.once("message", (reply: BaselineReply) =>
    reply.kind === "done" ? resolve(reply.predicted) : reject(decodeError(reply.error)),
  );
  worker.once("error", (error) =>
    reject(
      new LockstepError(
        "WORKER_DIED",
        `the baseline's worker ended with ${error instanceof Error ? error.message : String(error)}`,
        {},
        { cause: error },
      ),
    ),
  );
  worker.once("exit", (code) =>
    reject(new LockstepError("WORKER_DIED", `the baseline's worker exited with ${code} before it answered`)),
  );
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
    await worker.terminate(); // It runs JavaScript only, so it can be stopped at any time.
  }
}
