/** Trains, interrupted again and again at random instants, each time resumed from the checkpoint. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLockstepError } from "../../src/base/index.ts";
import { runTraining, type TrainedModel, type TrainingInput } from "../../src/work/train/index.ts";

export interface Interrupted {
  readonly model: TrainedModel;
  /** How often a step was broken off: it had to be begun again. */
  readonly interruptions: number;
  /** Milliseconds from each abort to the end of the training. */
  readonly stopped: readonly number[];
}

export async function trainInterrupted(
  input: TrainingInput,
  threads: number,
  { times, everyMs }: { readonly times: number; readonly everyMs: number },
): Promise<Interrupted> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-interrupt-"));
  const stopped: number[] = [];
  try {
    for (let i = 0; ; i++) {
      const controller = new AbortController();
      let aborted = 0;
      // The clock starts with the first step of this attempt: opening a phase is not what is interrupted here.
      let timer: NodeJS.Timeout | undefined;
      const onEvent = ({ kind }: { readonly kind: string }): void => {
        if (kind !== "step" || timer !== undefined || i >= times) return;
        timer = setTimeout(
          () => {
            aborted = performance.now();
            controller.abort();
          },
          everyMs * (0.5 + ((i * 0.618) % 1)),
        );
      };
      try {
        const model = await runTraining(input, {
          threads,
          signal: controller.signal,
          onEvent,
          checkpoints: { folder, everySeconds: 3600, resume: true },
        });
        return { model, interruptions: stopped.length, stopped };
      } catch (thrown) {
        if (!isLockstepError(thrown) || thrown.code !== "CANCELLED") throw thrown;
        stopped.push(performance.now() - aborted);
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
