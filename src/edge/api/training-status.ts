/**
 * A training's events as the status that the page shows: where it stands, how fast it goes, and the loss so far,
 * thinned.
 */
import type { TrainingStatus } from "../http/index.ts";
import type { Stage, TrainProgress } from "./train-options.ts";

/** Before the phases of the training, and after. */
const BEFORE: readonly Stage[] = ["read", "tokenizer", "encode"];
const AFTER: readonly Stage[] = ["calibrate", "test", "baseline", "publish"];
/** Points of the loss curve; when there are more, every second one goes. */
const MAX_POINTS = 400;
/** Milliseconds between two statuses of one phase. */
const INTERVAL = 200;

export class TrainingStatusTracker {
  readonly #publish: (status: TrainingStatus) => void;
  readonly #points: { phase: string; step: number; loss: number }[] = [];
  #every = 1;
  #count = 0;
  #sentAt = -Infinity;
  #status: TrainingStatus;

  constructor(threads: number, publish: (status: TrainingStatus) => void) {
    this.#publish = publish;
    this.#status = {
      state: "training",
      phase: "read",
      phases: [...BEFORE, ...AFTER],
      step: 0,
      steps: 0,
      loss: null,
      accuracy: null,
      tokens_per_second: null,
      seconds_left: null,
      fraction: 0,
      threads,
      history: this.#points,
    };
  }

  get status(): TrainingStatus {
    return this.#status;
  }

  onProgress(event: TrainProgress): void {
    switch (event.kind) {
      case "plan":
        return this.#set({ phases: [...BEFORE, ...event.phases, ...AFTER] }, true);
      case "stage":
        return this.#set(
          {
            phase: event.stage,
            ...(AFTER.includes(event.stage) ? { fraction: 1, seconds_left: null, tokens_per_second: null } : {}),
          },
          true,
        );
      case "phase":
        return this.#set({ phase: event.phase, step: 0, steps: event.steps }, true);
      case "epoch":
        return this.#set(event.validation?.name === "accuracy" ? { accuracy: event.validation.value } : {}, true);
      case "step":
        this.#addPoint(event.phase, event.step, event.loss);
        return this.#set(
          {
            phase: event.phase,
            step: event.step + 1,
            steps: event.steps,
            loss: event.loss,
            tokens_per_second: event.tokensPerSecond,
            seconds_left: event.secondsLeft,
            fraction: event.done,
          },
          false,
        );
      case "table":
      case "checkpoint":
      case "warning":
      case "resumed":
      case "teacher":
      case "digest":
        return;
    }
  }

  #set(change: Partial<TrainingStatus>, now: boolean): void {
    this.#status = { ...this.#status, ...change };
    const at = performance.now();
    if (!now && at - this.#sentAt < INTERVAL) return;
    this.#sentAt = at;
    this.#publish(this.#status);
  }

  #addPoint(phase: string, step: number, loss: number): void {
    if (this.#count++ % this.#every !== 0) return;
    this.#points.push({ phase, step, loss });
    if (this.#points.length <= MAX_POINTS) return;
    this.#points.splice(0, this.#points.length, ...this.#points.filter((_, index) => index % 2 === 0));
    this.#every *= 2;
  }
}
