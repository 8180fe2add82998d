/**
 * Learning from feedback, on a thread of its own: the caller's never computes. One update at a time, in the order
 * asked.
 */
import { LockstepError, ownFile } from "../../base/index.ts";
import { nativeScopes } from "../../numeric/runtime/index.ts";
import { createPool, type Pool } from "../../threads/pool/index.ts";
import type { HeadRates } from "./head.ts";
import type { LearnReply, LearnRequest } from "./head-messages.ts";
import type { NamedFiles } from "../store/index.ts";
import type { LabelledText, Lineage } from "./head-update.ts";

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
  let pool: Promise<Pool<LearnRequest, LearnReply>> | undefined;
  let closed = false;
  return {
    learn: async (parent, executor, examples, rates) => {
      if (closed) throw new LockstepError("SHUTTING_DOWN", "the learner is closing and takes no more examples");
      const { name, changed, lineage, lossBefore, lossAfter } = await (
        await (pool ??= startPool().catch((thrown: unknown) => {
          pool = undefined; // what could not be started is no learner to close
          throw thrown;
        }))
      ).request(0, {
        kind: "learn",
        parent,
        executor,
        examples,
        rates,
      });
      return { name, files: new Map([...parent.files, ...changed]), lineage, lossBefore, lossAfter };
    },
    close: async () => {
      closed = true;
      await (await pool)?.close();
    },
  };
}

async function startPool(): Promise<Pool<LearnRequest, LearnReply>> {
  return createPool({
    entry: ownFile(() => import.meta.resolve("#entry/work/train/head-worker")),
    size: 1,
    name: "learner",
    respawn: true,
    unref: true,
    // which executor it will be is said with each request; where the native one is missing there is nothing to reach
    scope: await nativeScopes("native").catch(() => undefined),
  });
}
