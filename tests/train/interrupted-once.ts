/** A training that is interrupted after some steps, then gone on with. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLockstepError } from "../../src/base/index.ts";
import { runTraining, type TrainedModel, type TrainingInput, type TrainingRun } from "../../src/work/train/index.ts";

/**
 * Stops after `steps` steps of all phases; what is on the disk then can be changed before it goes on with other
 * threads.
 */
export async function interruptedOnce(
  input: TrainingInput,
  steps: number,
  run: Pick<TrainingRun, "shardWeights"> = {},
  meanwhile: (folder: string) => Promise<void> = async () => {},
): Promise<TrainedModel> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-weights-"));
  try {
    const controller = new AbortController();
    const checkpoints = { folder, everySeconds: 3600, resume: true };
    let done = 0;
    const onEvent = ({ kind }: { readonly kind: string }): void => {
      if (kind === "digest" && ++done === steps) controller.abort();
    };
    await assert.rejects(
      runTraining(input, { ...run, threads: 2, signal: controller.signal, onEvent, digests: true, checkpoints }),
      (thrown) => isLockstepError(thrown) && thrown.code === "CANCELLED",
    );
    await meanwhile(folder);
    return await runTraining(input, { ...run, threads: 3, checkpoints });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
