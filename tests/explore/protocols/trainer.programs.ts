/**
 * The trainer's steps on several explored threads: its own code over its own memory. What they leave has the bits of
 * one worker; a twin that lacks a barrier races.
 */
import assert from "node:assert/strict";
import { isLockstepError } from "../../../src/base/index.ts";
import {
  ThreadCollective,
  type Collective,
  type ReduceJob,
  type SlotRef,
} from "../../../src/threads/collective/index.ts";
import { program } from "../../../src/threads/explore/index.ts";
import type { PhaseSetup } from "../../../src/work/train/messages.ts";
import { smallSetup, stateBits, train, type MakeCollective, type TrainingSize } from "./trainer.ts";

interface Alone {
  readonly bits: string;
  readonly reports: string;
}

/** What one worker makes of it. */
async function alone(size: Omit<TrainingSize, "workers">): Promise<Alone> {
  const setup = smallSetup({ ...size, workers: 1 });
  const reports = await train(setup, 0, size.epochs);
  return { bits: stateBits(setup), reports: JSON.stringify(reports) };
}

const EXPECTED = {
  once: await alone({ shards: 2, epochs: 1 }),
  twice: await alone({ shards: 2, epochs: 2 }),
  four: await alone({ shards: 4, epochs: 1 }),
};

function training(size: TrainingSize, expected: Alone, collective?: MakeCollective) {
  return program<PhaseSetup>(import.meta.url, {
    title: `${size.workers} workers train ${size.epochs} step${size.epochs > 1 ? "s" : ""} of ${size.shards} shards`,
    setup: () => smallSetup(size),
    threads: Array.from(
      { length: size.workers },
      (_, rank) => (setup: PhaseSetup) =>
        train(setup, rank, size.epochs, collective === undefined ? {} : { collective }),
    ),
    check: (setup, { results }) => {
      for (const reports of results) assert.equal(JSON.stringify(reports), expected.reports);
      assert.equal(stateBits(setup), expected.bits, "the weights or the optimizer's state are not those of one worker");
    },
  });
}

export const once = training({ workers: 2, shards: 2, epochs: 1 }, EXPECTED.once);
export const twice = training({ workers: 2, shards: 2, epochs: 2 }, EXPECTED.twice);
export const four = training({ workers: 2, shards: 4, epochs: 1 }, EXPECTED.four);
/** One worker of three has two shards. */
export const uneven = training({ workers: 3, shards: 4, epochs: 1 }, EXPECTED.four);

/** Leaves out one of the three barriers of a step. */
class LeavesOut implements Collective {
  readonly rank: number;
  readonly size: number;
  readonly #whole: Collective;
  readonly #barrier: number;
  #arrivals = 0;

  constructor({ collective }: PhaseSetup, rank: number, barrier: number) {
    this.#whole = ThreadCollective.attach(collective, rank);
    this.rank = rank;
    this.size = collective.size;
    this.#barrier = barrier;
  }

  async arrive(): Promise<void> {
    if (this.#arrivals++ % 3 !== this.#barrier) await this.#whole.arrive();
  }

  reduce(job: ReduceJob): Promise<SlotRef | null> {
    return this.#whole.reduce(job);
  }
  abort(): void {
    this.#whole.abort("INTERNAL");
  }
}

const leavesOut = (barrier: number) =>
  training({ workers: 2, shards: 2, epochs: 2 }, EXPECTED.twice, (setup, rank) => new LeavesOut(setup, rank, barrier));
export const twins = { afterGradients: leavesOut(0), afterReduction: leavesOut(1), afterUpdate: leavesOut(2) };

/** The run of the last shard fails: its worker says why, the others that they gave up, and no weight has changed. */
export const failure = program<PhaseSetup>(import.meta.url, {
  title: "the run of one worker's shard fails",
  setup: () => smallSetup({ workers: 2, shards: 2, epochs: 1 }),
  threads: [0, 1].map((rank) => async (setup: PhaseSetup): Promise<string> => {
    try {
      await train(setup, rank, 1, { fails: 1 });
      return "trained";
    } catch (thrown) {
      if (thrown instanceof RangeError) return "failed";
      if (!isLockstepError(thrown)) throw thrown;
      return thrown.code;
    }
  }),
  check: (setup, { results }) => {
    assert.deepEqual(results, ["INTERNAL", "failed"]);
    assert.equal(stateBits(setup), stateBits(smallSetup({ workers: 1, shards: 2, epochs: 1 })));
  },
});

/** A worker dies at any instruction: the others end, and the steps that they tell of are whole. */
export const death = program<PhaseSetup>(import.meta.url, {
  title: "a training worker may die",
  setup: () => smallSetup({ workers: 2, shards: 2, epochs: 1 }),
  threads: [0, 1].map((rank) => async (setup: PhaseSetup): Promise<string> => {
    try {
      return JSON.stringify(await train(setup, rank, 1));
    } catch (thrown) {
      if (!isLockstepError(thrown)) throw thrown;
      return thrown.code;
    }
  }),
  supervise: ({ collective }) => {
    ThreadCollective.attach(collective, 0).threadDied();
  },
  check: (setup, { results, died }) => {
    const living = results.filter((_, rank) => !died.includes(rank));
    for (const result of living)
      assert.ok(result === EXPECTED.once.reports || (died.length > 0 && result === "WORKER_DIED"), String(result));
    if (living.includes(EXPECTED.once.reports)) assert.equal(stateBits(setup), EXPECTED.once.bits);
  },
});
