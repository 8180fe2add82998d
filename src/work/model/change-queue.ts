/**
 * What changes a model, one after another: publications and updates, in the order they were asked for, whoever asked.
 * One line of versions: each starts from the one that the change before it made, so no update is lost, and the same
 * changes in the same order give the same bits. Updates that wait together are computed one by one and published
 * together: the last of them contains the others.
 *
 *   queued ── its turn ──▶ computing ──▶ loaded ──▶ lasting (stored, named) ──▶ answering ──▶ said
 *     └─ its signal, or the model closes ─▶ refused
 *
 * A failure anywhere before "answering" refuses the changes of that publication, and what answers stays: replicas that
 * could not be loaded, a disk that is full, an alias that could not be moved. The step to "answering" cannot fail.
 */
import { invariant, LockstepError, parseOptions } from "../../base/index.ts";
import type { NamedFiles, Store } from "../store/index.ts";
import { openHeadLearner, type HeadLearner, type LearnedVersion } from "../train/index.ts";
import { examplesSchema, learnSchema, type Example, type LearnOptions, type LearnResult } from "./contract.ts";

/** Changes that may wait. */
const MAX_QUEUE = 1024;
/** Updates that are published together at most: however fast more of them come, the first of them is published. */
const MAX_UPDATES = 64;

/** How a version becomes the one that answers. */
export interface Publication {
  /** In its turn, so that it sees what the change before it made. Undefined: there is nothing to publish any more. */
  readonly read: () => Promise<NamedFiles | undefined>;
  /** Once it is loaded: makes it lasting (a store, an alias). If it throws, nothing is changed. @default nothing */
  readonly commit?: (version: NamedFiles) => Promise<void>;
}

export interface ChangeQueueOptions {
  /** The version that answers. @throws SHUTTING_DOWN */
  readonly current: () => NamedFiles & { readonly executor: "native" | "portable" };
  /** Loads a version, commits it and makes it the one that answers; `learned`: from the current one, by updates. */
  readonly publish: (version: NamedFiles, learned: boolean, commit: () => Promise<void>) => Promise<void>;
  /** Where `store: true` writes. */
  readonly store: Store | undefined;
  /** @default a thread of its own, started by the first update */
  readonly openLearner?: () => HeadLearner;
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

interface WaitingPublication extends Publication {
  readonly kind: "publication";
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class ChangeQueue {
  readonly #options: ChangeQueueOptions;
  readonly #queue: (Update | WaitingPublication)[] = [];
  #learner: HeadLearner | undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  /** Why every version has to be stored before it answers. */
  #kept: string | undefined;

  constructor(options: ChangeQueueOptions) {
    this.#options = options;
  }

  publish(publication: Publication): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#add({ kind: "publication", ...publication, resolve, reject });
    });
  }

  /** Resolves when what has been asked for so far is done. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** From now on no version answers that is not in the store. */
  keep(why: string): void {
    this.#kept = why;
  }

  learn(examples: readonly Example[], options: LearnOptions): Promise<LearnResult> {
    return new Promise((resolve, reject) => {
      const { store: asked, signal, ...rates } = parseOptions(learnSchema, options, "the options of learn");
      const checked = parseOptions(examplesSchema, examples, "the examples", "INPUT_INVALID");
      const store = this.#storing(asked);
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

  #storing(asked: boolean | undefined): boolean {
    const store = asked ?? this.#kept !== undefined;
    if (!store && this.#kept !== undefined)
      throw new LockstepError(
        "OPTION_INVALID",
        `what is learned has to be stored here, since ${this.#kept}; leave \`store\` out`,
      );
    if (!store || this.#options.store !== undefined) return store;
    throw new LockstepError(
      "OPTION_INVALID",
      this.#kept === undefined
        ? "this model was not opened from a store, so there is none to write the version into; leave `store` out"
        : `what is learned has to be stored, since ${this.#kept}, and this model was not opened from a store; ` +
            "publish its folder into one and open that",
    );
  }

  #add(change: Update | WaitingPublication): void {
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

  /** The next publication, or the updates that wait now, up to it. */
  async #step(): Promise<void> {
    const next = this.#queue[0];
    if (next?.kind === "publication") {
      this.#queue.shift();
      return await this.#take(next).then(next.resolve, next.reject);
    }
    let left = Math.min(MAX_UPDATES, this.#queue.length);
    const made: { readonly update: Update; readonly parent: string; readonly version: LearnedVersion }[] = [];
    let tip: NamedFiles | undefined;
    for (let update = this.#nextUpdate(); update !== undefined; update = --left > 0 ? this.#nextUpdate() : undefined) {
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

  /** What nobody else makes lasting is written into the store, where it has to be there. */
  readonly #store = async ({ files }: NamedFiles): Promise<void> => {
    if (this.#kept === undefined) return;
    this.#storing(undefined);
    await this.#options.store?.publish(files);
  };

  async #take({ read, commit }: WaitingPublication): Promise<void> {
    const version = await read();
    if (version !== undefined) await this.#options.publish(version, false, () => (commit ?? this.#store)(version));
  }

  #nextUpdate(): Update | undefined {
    const next = this.#queue[0];
    if (next?.kind !== "update") return undefined;
    this.#queue.shift();
    next.begin();
    return next;
  }

  async #make(
    parent: NamedFiles,
    executor: "native" | "portable",
    { examples, rates, store }: Update,
  ): Promise<LearnedVersion> {
    this.#learner ??= (this.#options.openLearner ?? openHeadLearner)();
    const version = await this.#learner.learn(parent, executor, examples, rates);
    if (store) {
      const written = await this.#options.store?.publish(version.files);
      invariant(written?.name === version.name, "the store names a version as its maker does");
    }
    return version;
  }

  async #publishAll(
    tip: NamedFiles,
    made: readonly { readonly update: Update; readonly parent: string; readonly version: LearnedVersion }[],
  ): Promise<void> {
    try {
      await this.#options.publish(tip, true, () => Promise.resolve()); // stored when it was made, where it has to be
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
