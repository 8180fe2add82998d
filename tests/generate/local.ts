/** The engine over a decoder on this thread, and questions to it. */
import { ManualClock, type Clock } from "../../src/base/index.ts";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { readVersion } from "../../src/work/infer/index.ts";
import { Engine, type Backend, type EngineOptions, type StepReport } from "../../src/work/generate/engine.ts";
import { beginGeneration, openDecoder, parseGenerationOptions } from "../../src/work/generate/index.ts";
import type { Decoder, GenerationOptions, GenerationState } from "../../src/work/generate/index.ts";
import { GenerationRun } from "../../src/work/generate/run.ts";
import { Runner } from "../../src/work/generate/runner.ts";
import { storiesFiles } from "./stories-files.ts";

export const version = readVersion(storiesFiles());
export const ENDS = [2];

export function openStories(slots: number, executor: "native" | "portable" = "native"): Promise<Decoder> {
  return createExecutor(executor).then((made) => openDecoder(version, made, { slots: slots === 1 ? [1] : [1, slots] }));
}

export interface LocalOptions extends Partial<Omit<EngineOptions, "backend" | "open" | "clock">> {
  readonly prefixTokens?: number;
  readonly clock?: Clock;
  /** In place of a runner's own steps. */
  readonly step?: (runner: Runner, order: Parameters<Backend["step"]>[0]) => ReturnType<Backend["step"]>;
}

/** Engines end with `engine.close()`; the decoder is the caller's. */
export function localEngine(decoder: Decoder, options: LocalOptions = {}) {
  const { prefixTokens = 0, step = (runner, order) => runner.step(order), ...rest } = options;
  const steps: StepReport[] = [];
  const runners: Runner[] = [];
  const open = (): Backend => {
    const runner = new Runner({ decoder, prefixTokens, tokenizer: version.tokenizer, ends: ENDS });
    runners.push(runner);
    return {
      step: (order) => step(runner, order),
      close: async () => {
        runner.clear();
      },
    };
  };
  const engine = new Engine({
    slots: decoder.slots,
    stepTokens: 32,
    cacheTokens: 64 * 64,
    maxSequences: 1000,
    clock: new ManualClock(),
    onStep: (report) => steps.push(report),
    ...rest,
    backend: open(),
    open: () => Promise.resolve(open()),
  });
  return { engine, steps, runners };
}

/** States of `n` answers to a prompt. */
export function beginnings(prompt: string, options: GenerationOptions, n = 1): GenerationState[] {
  const { ids } = version.tokenizer.encode(prompt) as { ids: Int32Array };
  const where = { version: "stories", profile: "here", context: 512, vocabulary: 512 };
  return Array.from({ length: n }, (_, choice) =>
    beginGeneration(ids, parseGenerationOptions(options), { ...where, choice }),
  );
}

export interface CallOptions {
  readonly key?: string;
  readonly priority?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export function ask(engine: Engine, states: readonly GenerationState[], options: CallOptions = {}): GenerationRun {
  const { key = "", priority = 0, timeoutMs = 60_000, signal } = options;
  return new GenerationRun({
    prepare: () => Promise.resolve(states.map((state) => ({ state, text: "" }))),
    submit: (state, reader, after) => engine.submit(state, reader, { key, priority, timeoutMs, after }),
    look: () => engine.look(),
    signal,
  });
}
