/** Models of made-up tiny versions, and threads that call them. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { decodeError } from "../../src/base/index.ts";
import type { Classification, ModelHandle, ModelOptions } from "../../src/edge/api/index.ts";
import { Model } from "../../src/work/model/index.ts";
import { versionName, type NamedFiles } from "../../src/work/store/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import type { Order, Report } from "./caller.ts";

export const TEXTS = [
  "my card has not arrived",
  "cash was not given",
  "can i have a loan",
  "card",
  "a loan of cash",
  "has my cash arrived",
  "i have not given my card a loan",
  "was it a card",
];
export const LABELS = ["card", "cash", "loan"];

export async function tiny(seed: number): Promise<NamedFiles> {
  const files = tinyFiles(seed);
  return { name: await versionName(files), files };
}

export async function openTiny(seed = 1, options: ModelOptions = {}): Promise<Model> {
  return await Model.open(await tiny(seed), { threads: 1, ...options });
}

/** Every text's answer of a version, asked alone. */
export async function answersAlone(
  version: NamedFiles,
  texts: readonly string[],
): Promise<Map<string, Classification>> {
  await using model = await Model.open(version, { threads: 1 });
  const answers = new Map<string, Classification>();
  for (const text of texts) answers.set(text, await model.classify(text));
  return answers;
}

export class Caller {
  readonly worker: Worker;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (report: Report) => void; readonly reject: (error: unknown) => void }
  >();
  #next = 0;

  /** `onReport` hears what a flood says meanwhile. */
  constructor(handle: ModelHandle, onReport: (report: Report) => void = () => undefined) {
    this.worker = new Worker(new URL("./caller.ts", import.meta.url), {
      workerData: { handle },
      transferList: [handle.port],
    });
    this.worker.on("message", ({ id, report }: { readonly id: number | undefined; readonly report: Report }) => {
      if (id === undefined) return onReport(report);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (report.kind === "error") waiting?.reject(decodeError(report.error));
      else waiting?.resolve(report);
    });
    this.worker.on("error", (error) => {
      for (const { reject } of this.#waiting.values()) reject(error);
    });
  }

  /** Never settles where the thread is terminated first. */
  order(order: Order): Promise<Report> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, order });
    });
  }

  async classify(
    texts: readonly string[],
    options: { readonly sync?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<readonly Classification[]> {
    const { sync = false, timeoutMs } = options;
    const report = await this.order({
      kind: sync ? "sync" : "classify",
      texts,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    if (report.kind !== "answers") throw new Error(report.kind);
    return report.answers;
  }

  /** Returns when the thread has let go of the model and ended. */
  async close(): Promise<void> {
    const exited = once(this.worker, "exit");
    await this.order({ kind: "close" });
    await exited;
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }
}

/** Waits for something that other threads make true; the test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

export const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected;
