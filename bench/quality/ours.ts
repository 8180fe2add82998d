/** Lockstep's side: trained by its own verb, `train`, and asked through its own door. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLockstepError, train } from "lockstep";
import type { TrainInput } from "../../src/edge/api/train-options.ts";
import type { Files } from "./data.ts";
import { figureOf, type FigureName } from "./figures.ts";

/** What one side has to show for one seed. */
export interface Outcome {
  /** Of each step. */
  readonly losses: readonly number[];
  readonly seconds: number;
  /** On the test data, where it was asked for. */
  readonly figure?: number;
}

export interface Run {
  readonly input: TrainInput;
  readonly files: Files;
  readonly threads: number;
  /** To be measured on the test data after all steps; absent: it ends after so many steps. */
  readonly wanted: { readonly figure: FigureName } | { readonly steps: number };
  readonly progress: (text: string) => void;
}

export async function ours({ input, files, threads, wanted, progress }: Run): Promise<Outcome> {
  const store = await mkdtemp(join(tmpdir(), "lockstep-quality-"));
  const enough = new AbortController();
  const losses: number[] = [];
  const started = performance.now();
  try {
    await train(input, {
      out: store,
      threads,
      signal: enough.signal,
      onProgress: (event) => {
        if (event.kind !== "step") return;
        losses.push(event.loss);
        progress(`${event.phase} ${event.step + 1}/${event.steps}, loss ${event.loss.toFixed(3)}`);
        if ("steps" in wanted && losses.length >= wanted.steps) enough.abort();
      },
    });
    const seconds = (performance.now() - started) / 1000;
    return "figure" in wanted
      ? { losses, seconds, figure: await figureOf(wanted.figure, store, files) }
      : { losses: losses.slice(0, wanted.steps), seconds };
  } catch (thrown) {
    if (!("steps" in wanted) || !isLockstepError(thrown) || thrown.code !== "CANCELLED") throw thrown;
    return { losses: losses.slice(0, wanted.steps), seconds: (performance.now() - started) / 1000 };
  } finally {
    await rm(store, { recursive: true });
  }
}
