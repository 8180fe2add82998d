/**
 * Learning from feedback, on a thread of its own: the caller's never computes. One update at a time, in the order
 * asked.
 */
import { ownFile } from "../../base/index.ts";
import { createPool, type Pool } from "../../threads/pool/index.ts";
import type { HeadRates } from "./head.ts";
import type { LearnReply, LearnRequest } from "./head-messages.ts";
import type { LabelledText, Lineage, NamedFiles } from "./head-update.ts";

export interface LearnedVersion extends NamedFiles {
  readonly lineage: Lineage;
  readonly lossBefore: number;
  readonly lossAfter: number;
}

export interface HeadLearner {
  /** @throws INPUT_INVALID, NON_FINITE, RUNTIME_MISSING, WORKER_DIED; what reading the version throws */
  learn(
    parent: NamedFiles,
    executor: "native" | "portable",
    examples: readonly LabelledText[],
    rates: HeadRates,
  ): Promise<LearnedVersion>;
  /** Lets what runs finish, then ends the thread. */
  close(): Promise<void>;
}

export function openHeadLearner(): HeadLearner {
  const pool: Pool<LearnRequest, LearnReply> = createPool({
    entry: ownFile(() => import.meta.resolve("#entry/work/train/head-worker")),
    size: 1,
    name: "learner",
    respawn: true,
    unref: true,
  });
  return {
    learn: async (parent, executor, examples, rates) => {
      const { name, changed, lineage, lossBefore, lossAfter } = await pool.request(0, {
        kind: "learn",
        parent,
        executor,
        examples,
        rates,
      });
      return { name, files: new Map([...parent.files, ...changed]), lineage, lossBefore, lossAfter };
    },
    close: () => pool.close(),
  };
}
