/**
 * A thread that has a model's handle. It does what it is told (`Order`) and says what came of it; with `flood` it asks
 * without end, by turns alone, in lists, and of a pinned version, until it is terminated or told to stop.
 */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { encodeError, type EncodedError } from "../../src/base/index.ts";
// not the public door: dozens of threads start here, and it loads everything
import { attachModel, type AttachedModel } from "../../src/work/model/index.ts";
import type { Classification, LearnOptions, LearnResult, ModelHandle } from "../../src/edge/api/index.ts";

export type Order =
  | { readonly kind: "classify"; readonly texts: readonly string[]; readonly timeoutMs?: number }
  | { readonly kind: "sync"; readonly texts: readonly string[]; readonly timeoutMs?: number }
  | { readonly kind: "learn"; readonly text: string; readonly label: string; readonly options?: LearnOptions }
  | { readonly kind: "version" }
  | { readonly kind: "pin" }
  | { readonly kind: "derive" }
  /** Learns without end. */
  | { readonly kind: "teach"; readonly text: string; readonly labels: readonly string[] }
  | { readonly kind: "flood"; readonly texts: readonly string[]; readonly from: number }
  | { readonly kind: "stop" }
  | { readonly kind: "close" };

export interface Seen {
  readonly text: string;
  readonly version: string;
  readonly digest: string;
  readonly probability: number;
}

export type Report =
  | { readonly kind: "answers"; readonly answers: readonly Classification[] }
  | { readonly kind: "learned"; readonly result: LearnResult }
  | { readonly kind: "version"; readonly version: string }
  | { readonly kind: "handle"; readonly handle: ModelHandle }
  | { readonly kind: "done" }
  | { readonly kind: "error"; readonly error: EncodedError }
  /** Of a flood; `pinned`: what it held while it asked these. */
  | { readonly kind: "seen"; readonly seen: readonly Seen[]; readonly pinned: string | undefined }
  | { readonly kind: "refused"; readonly error: EncodedError }
  | { readonly kind: "taught"; readonly result: LearnResult };

const port = parentPort as MessagePort;
const { handle } = workerData as { readonly handle: ModelHandle };
const model: AttachedModel = attachModel(handle);
let stopped = false;

port.on("message", ({ id, order }: { readonly id: number; readonly order: Order }) => {
  void obey(order).then(
    (report) => {
      post(report, id);
    },
    (thrown: unknown) => {
      post({ kind: "error", error: encodeError(thrown) }, id);
    },
  );
});

/** Without an id: what a flood says meanwhile. */
function post(report: Report, id?: number): void {
  port.postMessage({ id, report }, report.kind === "handle" ? [report.handle.port] : []);
}

async function obey(order: Order): Promise<Report> {
  switch (order.kind) {
    case "classify":
      return { kind: "answers", answers: await model.classify(order.texts, { timeoutMs: order.timeoutMs }) };
    case "sync":
      return { kind: "answers", answers: model.classifySync(order.texts, { timeoutMs: order.timeoutMs }) };
    case "learn":
      return { kind: "learned", result: await model.learn([{ text: order.text, label: order.label }], order.options) };
    case "version":
      return { kind: "version", version: model.version };
    case "pin":
      return { kind: "version", version: (await model.pin()).version }; // and never lets it go
    case "derive":
      return { kind: "handle", handle: model.handle() };
    case "flood": {
      await flood(order.texts, order.from);
      return { kind: "done" };
    }
    case "teach": {
      for (let turn = 0; !stopped; turn++)
        post({
          kind: "taught",
          result: await model.learn(
            [{ text: `${order.text} ${turn}`, label: order.labels[turn % order.labels.length]! }],
            { learningRate: 0.1 },
          ),
        });
      return { kind: "done" };
    }
    case "stop": {
      stopped = true;
      return { kind: "done" };
    }
    case "close": {
      await model.close();
      setImmediate(() => {
        port.close();
      }); // once this has been said
      return { kind: "done" };
    }
  }
}

async function flood(texts: readonly string[], from: number): Promise<void> {
  const seen = (list: readonly string[], answers: readonly Classification[]): Seen[] =>
    answers.map(({ version, digest, probability }, index) => ({ text: list[index]!, version, digest, probability }));
  for (let turn = from; !stopped; turn++) {
    const list = Array.from({ length: 1 + (turn % 5) }, (_, i) => texts[(turn * 7 + i) % texts.length]!);
    try {
      if (turn % 3 === 0) {
        await using pinned = await model.pin();
        for (let again = 0; again < 3; again++)
          post({ kind: "seen", seen: seen(list, await pinned.classify(list)), pinned: pinned.version });
      } else if (turn % 3 === 1) {
        const each = await Promise.all(list.map((text) => model.classify(text)));
        post({
          kind: "seen",
          seen: each.flatMap((answer, index) => seen([list[index]!], [answer])),
          pinned: undefined,
        });
      } else {
        post({
          kind: "seen",
          seen: seen(list, turn % 2 === 0 ? model.classifySync(list) : await model.classify(list)),
          pinned: undefined,
        });
        await cancelled(list);
      }
    } catch (thrown) {
      post({ kind: "refused", error: encodeError(thrown) });
    }
  }
}

/** Asks, and thinks better of it. */
async function cancelled(list: readonly string[]): Promise<void> {
  const controller = new AbortController();
  const asked = model.classify(list, { signal: controller.signal });
  controller.abort();
  await asked.then(
    () => {
      throw new Error("a cancelled request was answered");
    },
    (thrown: unknown) => {
      if ((thrown as { code?: string }).code !== "CANCELLED") throw thrown;
    },
  );
}
