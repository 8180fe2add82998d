/**
 * What changes a model, one after another: publications and updates, in the order they were asked for, whoever asked.
 * One line of versions: each starts from the one that the change before it made, so no update is lost, and the same
 * changes in the same order give the same bits. Updates that wait together are computed one by one and published
 * together: the last of them contains the others.
 *
 *   queued ── its turn ──▶ computing ──▶ published ──▶ done
 *     └─ its signal, or the model closes ─▶ refused      (a failure anywhere refuses the changes of that publication;
 *                                                        what answers stays)
 */
import { invariant, LockstepError, parseOptions } from "../../base/index.ts";
import type { LoadedVersion, Store } from "../store/index.ts";
import { openHeadLearner, type HeadLearner, type LearnedVersion } from "../train/index.ts";
import { examplesSchema, learnSchema, type Example, type LearnOptions, type LearnResult } from "./contract.ts";

/** Changes that may wait. */
const MAX_QUEUE = 1024;

export interface ChangeQueueOptions {
  /** The version that answers. @throws SHUTTING_DOWN */
  readonly current: () => LoadedVersion & { readonly executor: "native" | "portable" };
  /** Makes a version the one that answers; `learned`: from the current one, by updates. */
  readonly publish: (version: LoadedVersion, learned: boolean) => Promise<void>;
  /** Where `store: true` writes. */
  readonly store: Store | undefined;
}

interface Update {
  readonly kind: "update";
  readonly examples: readonly Example[];
  readonly rates: { readonly learningRate: number; readonly steps: number; readonly l2: number };
  readonly store: boolean;
  readonly resolve: (result: LearnResult) => void;
  readonly reject: (error: unknown) => void;
  /** It is no longer its signal's to stop. */
  readonly begin: () => void;
}

interface Publication {
  readonly kind: "publication";
  readonly version: LoadedVersion;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class ChangeQueue {
  readonly #options: ChangeQueueOptions;
  readonly #queue: (Update | Publication)[] = [];
  #learner: HeadLearner | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: ChangeQueueOptions) {
    this.#options = options;
  }

  publish(version: LoadedVersion): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#add({ kind: "publication", version, resolve, reject });
    });
  }

  learn(examples: readonly Example[], options: LearnOptions): Promise<LearnResult> {
    return new Promise((resolve, reject) => {
      const { store, signal, ...rates } = parseOptions(learnSchema, options, "the options of learn");
      const checked = parseOptions(examplesSchema, examples, "the examples", "INPUT_INVALID");
      if (store && this.#options.store === undefined)
        throw new LockstepError(
          "OPTION_INVALID",
          "this model was not opened from a store, so there is none to write the version into; leave `store` out",
        );
      if (signal?.aborted === true)
        throw new LockstepError(
          "CANCELLED",
          "the update was cancelled before it was asked for",
          {},
          { cause: signal.reason },
        );
      const cancel = (): void => {
        this.#queue.splice(this.#queue.indexOf(update), 1);
        reject(
          new LockstepError("CANCELLED", "the update was cancelled before it began", {}, { cause: signal?.reason }),
        );
      };
      const update: Update = {
        kind: "update",
        examples: checked,
        rates,
        store,
        resolve,
        reject,
        begin: () => {
          signal?.removeEventListener("abort", cancel);
        },
      };
      this.#add(update);
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  /** Refuses what waits; what has begun ends first, refused unless it was being published. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const change of this.#queue.splice(0)) {
      if (change.kind === "update") change.begin();
      change.reject(closing());
    }
    await this.#running;
    await this.#learner?.close();
  }

  #add(change: Update | Publication): void {
    if (this.#closed) throw closing();
    if (this.#queue.length >= MAX_QUEUE)
      throw new LockstepError(
        "OVERLOADED",
        `${MAX_QUEUE} changes of the model wait; wait for some before asking for more`,
        { waiting: MAX_QUEUE, retryAfterSeconds: 1 },
      );
    this.#queue.push(change);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // whoever asks in this turn is in the queue
    while (this.#queue.length > 0) await this.#step();
    this.#running = undefined;
  }

  /** The next publication, or all updates up to it. */
  async #step(): Promise<void> {
    const next = this.#queue[0];
    if (next?.kind === "publication") {
      this.#queue.shift();
      return await this.#options.publish(next.version, false).then(next.resolve, next.reject);
    }
    const made: { readonly update: Update; readonly parent: string; readonly version: LearnedVersion }[] = [];
    let tip: LoadedVersion | undefined;
    for (let update = this.#nextUpdate(); update !== undefined; update = this.#nextUpdate()) {
      try {
        const { executor, ...current } = this.#options.current();
        const parent = tip ?? current;
        const version = await this.#make(parent, executor, update);
        made.push({ update, parent: parent.name, version });
        tip = version;
      } catch (thrown) {
        update.reject(thrown); // and the next one starts from where this one did
      }
    }
    if (tip !== undefined) await this.#publishAll(tip, made);
  }

  #nextUpdate(): Update | undefined {
    const next = this.#queue[0];
    if (next?.kind !== "update") return undefined;
    this.#queue.shift();
    next.begin();
    return next;
  }

  async #make(
    parent: LoadedVersion,
    executor: "native" | "portable",
    { examples, rates, store }: Update,
  ): Promise<LearnedVersion> {
    this.#learner ??= openHeadLearner();
    const version = await this.#learner.learn(parent, executor, examples, rates);
    if (store) {
      const written = await this.#options.store?.publish(version.files);
      invariant(written?.name === version.name, "the store names a version as its maker does");
    }
    return version;
  }

  async #publishAll(
    tip: LoadedVersion,
    made: readonly { readonly update: Update; readonly parent: string; readonly version: LearnedVersion }[],
  ): Promise<void> {
    try {
      await this.#options.publish(tip, true);
    } catch (thrown) {
      for (const { update } of made) update.reject(thrown);
      return;
    }
    for (const {
      update,
      parent,
      version: { name, lineage, lossBefore, lossAfter },
    } of made) {
      update.resolve({ version: name, parent, published: tip.name, updates: lineage.count, lossBefore, lossAfter });
    }
  }
}

function closing(): LockstepError {
  return new LockstepError("SHUTTING_DOWN", "the model is closing: nothing is published any more");
}
