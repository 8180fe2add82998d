/** Some steps of a training, and how long they took. */
import type { openTraining } from "./banking.ts";
import { processSeconds, threadSeconds } from "./timing.ts";

export interface Steps {
  readonly from: number;
  readonly to: number;
}

export interface Measured {
  readonly tokensPerSecond: number;
  /** Seconds of processor time over seconds on the wall: how many threads computed at a time. */
  readonly busy: number;
  /** Seconds of processor time a thousand tokens. */
  readonly processor: number;
  /** Of that, the calling thread's share, 0 to 1. */
  readonly main: number;
}

type Side = Awaited<ReturnType<typeof openTraining>>;

export async function measured({ phase, trained }: Side, { from, to }: Steps): Promise<Measured> {
  const [start, used, own] = [performance.now(), processSeconds(), threadSeconds()];
  await phase.train(from, to);
  const seconds = (performance.now() - start) / 1000;
  const processor = processSeconds() - used;
  const { tokens } = trained();
  return {
    tokensPerSecond: tokens / seconds,
    busy: processor / seconds,
    processor: (1000 * processor) / tokens,
    main: (threadSeconds() - own) / processor,
  };
}
