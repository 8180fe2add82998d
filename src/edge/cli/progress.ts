/**
 * A training's progress on standard error: one line that updates on a terminal, plain lines now and then elsewhere. The
 * cursor is never hidden, so nothing has to be restored, however the process ends.
 */
import { formatCount, formatDuration, type TrainProgress } from "../api/index.ts";
import { percent, printable } from "./output.ts";

type Step = Extract<TrainProgress, { kind: "step" }>;
type Epoch = Extract<TrainProgress, { kind: "epoch" }>;

/** What the display needs of a stream. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a line may be written over. */
export function isLive(terminal: Terminal, env: Environment): boolean {
  return terminal.isTTY === true && env["TERM"] !== "dumb" && (env["CI"] ?? "") === "";
}

/** Milliseconds between two updates: of the line on a terminal, of plain lines elsewhere. */
const LIVE = 100;
const PLAIN = 5000;
const BAR = 24;
export const CLEAR = "\r\u001b[K";

const STAGES: Readonly<Record<string, string>> = {
  read: "reading the table",
  tokenizer: "training the tokenizer",
  encode: "encoding the texts",
  teacher: "asking the teacher",
  calibrate: "calibrating on the validation split",
  test: "measuring on the test table",
  baseline: "training a linear baseline",
  publish: "publishing",
};

export class ProgressDisplay {
  readonly #terminal: Terminal;
  readonly #live: boolean;
  readonly #full: string;
  readonly #empty: string;
  #shown = "";
  #last = -Infinity;

  constructor(terminal: Terminal = process.stderr, env: Environment = process.env) {
    this.#terminal = terminal;
    this.#live = isLive(terminal, env);
    [this.#full, this.#empty] = hasUnicode(env) ? ["━", "─"] : ["#", "."];
  }

  readonly warn = (message: string): void => {
    this.line(`warning: ${message}`);
  };

  onProgress(event: TrainProgress): void {
    switch (event.kind) {
      case "stage":
        return this.#stage(event.stage);
      case "plan":
        return;
      case "table":
        return this.line(
          `${event.phases.join(", ")}: ${plural(event.texts, "text")} of ${event.path}, and ` +
            `${formatCount(event.validation)} held out`,
        );
      case "teacher":
        return this.#teacher(event.done, event.total);
      case "phase":
        return this.line(
          `${event.phase}: ${formatCount(event.parameters)} parameters, ` +
            `${plural(event.epochs, "epoch")}, ${plural(event.steps, "step")} of ${plural(event.shards, "shard")}` +
            `, on ${plural(event.threads, "thread")}`,
        );
      case "epoch":
        return this.line(
          `${event.phase}: epoch ${event.epoch} of ${event.epochs} done` +
            (event.validation === undefined ? "" : `, validation ${figure(event.validation)}`),
        );
      case "resumed":
        return this.line(
          `resumed ${event.phase} at step ${event.step}` +
            (event.skipped.length === 0 ? "" : ` (damaged and passed over: ${event.skipped.join(", ")})`),
        );
      case "digest":
        return this.line(`${event.phase} ${event.step} ${event.sha256}`);
      case "warning":
        return this.warn(event.message);
      case "checkpoint":
        return;
      case "step":
        return this.#step(event);
    }
  }

  /** A line that stays, above the one that updates. */
  readonly line = (text: string): void => {
    const shown = this.#shown;
    this.#terminal.write(`${shown === "" ? "" : CLEAR}${printable(text)}\n${shown}`);
  };

  /** Takes the updating line away. */
  clear(): void {
    if (this.#shown !== "") this.#terminal.write(CLEAR);
    this.#shown = "";
  }

  #stage(stage: string): void {
    const text = STAGES[stage];
    if (text === undefined) return; // a phase says so itself
    this.clear();
    this.line(text);
  }

  #teacher(done: number, total: number): void {
    const now = performance.now();
    if (done < total && now - this.#last < PLAIN) return;
    this.#last = now;
    this.line(`the teacher has answered ${formatCount(done)} of ${formatCount(total)} texts`);
  }

  #step(step: Step): void {
    const now = performance.now();
    const isLast = step.step + 1 === step.steps && this.#live;
    if (!isLast && now - this.#last < (this.#live ? LIVE : PLAIN)) return;
    this.#last = now;
    if (!this.#live)
      return this.line(
        `${percent(step.done).padStart(7)}  ${wordsOf(step)
          .map(({ text }) => text)
          .join("  ")}`,
      );
    const width = Math.max(20, (this.#terminal.columns ?? 0) || 80) - 1;
    this.#shown = fitted(step, width, this.#full, this.#empty);
    this.#terminal.write(`\r${this.#shown}\u001b[K`);
  }
}

/** Less important ones leave a narrow terminal first. */
interface Word {
  readonly text: string;
  readonly importance: number;
}

function wordsOf({ phase, step, steps, loss, tokensPerSecond, secondsLeft }: Step): Word[] {
  return [
    { text: `${phase} ${step + 1}/${steps}`, importance: 4 },
    { text: `loss ${loss.toFixed(3)}`, importance: 3 },
    { text: `${formatCount(Math.round(tokensPerSecond))} tokens/s`, importance: 1 },
    { text: `${formatDuration(Math.round(secondsLeft) * 1000)} left`, importance: 5 },
  ];
}

function fitted(step: Step, width: number, full: string, empty: string): string {
  const done = Math.round(step.done * BAR);
  let words: Word[] = [
    { text: full.repeat(done) + empty.repeat(BAR - done), importance: 2 },
    { text: `${Math.floor(step.done * 100)} %`.padStart(5), importance: 6 },
    ...wordsOf(step),
  ];
  for (let importance = 1; importance < 6 && lengthOf(words) > width; importance++)
    words = words.filter((word) => word.importance !== importance);
  return words
    .map(({ text }) => text)
    .join("  ")
    .slice(0, width);
}

function lengthOf(words: readonly Word[]): number {
  return words.reduce((sum, { text }) => sum + text.length + 2, -2);
}

/** Shares in percent; what is no share as it is. */
export function figure({ name, value, further = {} }: NonNullable<Epoch["validation"]>): string {
  return [[name, value] as const, ...Object.entries(further)]
    .map(([one, number]) => `${one} ${one === "accuracy" ? percent(number) : number.toFixed(3)}`)
    .join(", ");
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function hasUnicode(env: Environment): boolean {
  if (process.platform === "win32") return env["WT_SESSION"] !== undefined || env["TERM_PROGRAM"] === "vscode";
  return /utf-?8/i.test(env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "");
}
