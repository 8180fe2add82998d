/** A training's progress on standard error: one line that updates on a terminal, plain lines now and then elsewhere. */
import { formatCount, formatDuration, type TrainProgress } from "../api/index.ts";
import { percent } from "./output.ts";

/** Milliseconds between two updates: of the line on a terminal, of plain lines elsewhere. */
const LIVE = 100;
const PLAIN = 5000;
const BAR = 24;

const STAGES: Readonly<Record<string, string>> = {
  read: "reading the table", tokenizer: "training the tokenizer", encode: "encoding the texts", calibrate: "calibrating on the validation split",
  test: "measuring on the test table", baseline: "training a linear baseline", publish: "publishing",
};

export class ProgressDisplay {
  readonly #live = process.stderr.isTTY && process.env["TERM"] !== "dumb" && process.env["CI"] === undefined;
  #shown = false;
  #last = -Infinity;

  onProgress(event: TrainProgress): void {
    switch (event.kind) {
      case "stage": return this.line(STAGES[event.stage] ?? event.stage);
      case "phase": return this.line(`${event.phase}: ${event.epochs} epochs, ${event.steps} steps of ${event.shards} shards on ${event.threads} threads, ${formatCount(event.parameters)} parameters`);
      case "epoch": return this.line(`${event.phase}: epoch ${event.epoch} of ${event.epochs}${event.validationAccuracy === undefined ? "" : `, validation accuracy ${percent(event.validationAccuracy)}`}`);
      case "resumed": return this.line(`resumed ${event.phase} at step ${event.step}${event.skipped.length === 0 ? "" : ` (damaged and passed over: ${event.skipped.join(", ")})`}`);
      case "digest": return this.line(`${event.phase} ${event.step} ${event.sha256}`);
      case "checkpoint": return;
      case "step": return this.#step(event);
    }
  }

  /** A line that stays. */
  line(text: string): void {
    this.clear();
    process.stderr.write(`${text}\n`);
  }

  clear(): void {
    if (this.#shown) process.stderr.write("\r\u001b[2K");
    this.#shown = false;
  }

  #step(event: Extract<TrainProgress, { kind: "step" }>): void {
    const now = performance.now();
    if (now - this.#last < (this.#live ? LIVE : PLAIN)) return;
    this.#last = now;
    const words = `${event.phase} ${event.step + 1}/${event.steps}  loss ${event.loss.toFixed(3)}  ${formatCount(Math.round(event.tokensPerSecond))} tokens/s  ${formatDuration(event.secondsLeft * 1000)} left`;
    if (!this.#live) return this.line(`${percent(event.done).padStart(7)}  ${words}`);
    const full = Math.round(event.done * BAR);
    const line = `${"█".repeat(full)}${"░".repeat(BAR - full)} ${percent(event.done).padStart(7)}  ${words}`;
    process.stderr.write(`\r\u001b[2K${line.slice(0, Math.max(20, process.stderr.columns - 1))}`);
    this.#shown = true;
  }
}
