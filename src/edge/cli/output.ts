/** Where a verb's words go: results to standard output (JSON with `--json`), everything else to standard error. */
import { once } from "node:events";
import { basename, relative } from "node:path";
import { LockstepError, toLockstepError } from "../../base/index.ts";

export interface Output {
  readonly json: boolean;
  /** A result for people, one line; nothing with `--json`. */
  print(line: string): void;
  /** The result for programs: one line of JSON; nothing without `--json`. */
  result(value: unknown): void;
  /** What happens meanwhile. */
  note(line: string): void;
  /** Waits while the reader of standard output is slower than the work. */
  drained(): Promise<void>;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    print: (line) => {
      if (!json) process.stdout.write(`${printable(line)}\n`);
    },
    result: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
    note: (line) => {
      process.stderr.write(`${printable(line)}\n`);
    },
    drained: async () => {
      if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
    },
  };
}

/**
 * Control characters and changes of direction in labels, texts and paths would move a terminal's cursor or hide what is
 * said: they are shown as JSON escapes.
 */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same for a text of many lines that comes in pieces: line breaks and tabs stay. */
export function printablePiece(text: string): string {
  return text.replace(UNPRINTABLE, (character) =>
    character === "\n" || character === "\t" ? character : printable(character),
  );
}

/** An error that came when answers had been given already: the work failed, whatever the error is called. */
export class FailedMidway extends Error {}

/** An error that stands in the result already: with `--json`, a command prints one document whatever happens. */
export class ToldInResult extends Error {}

/**
 * Tells a result together with what `judge` throws of it, `error`, which is null where that throws nothing: one
 * document, also where the command fails. @throws what `judge` threw
 */
export function tellJudged(output: Output, report: object, judge: () => void): void {
  try {
    judge();
  } catch (thrown) {
    const { code, message, details } = toLockstepError(thrown);
    output.result({ ...report, error: { code, message, details } });
    throw new ToldInResult(message, { cause: thrown });
  }
  output.result({ ...report, error: null });
}

/** Says what went wrong; returns the exit code. */
export function reportError(thrown: unknown, json: boolean): number {
  const first = firstOf(thrown);
  const midway = first instanceof FailedMidway;
  const told = first instanceof ToldInResult;
  const cause = midway || told ? first.cause : first;
  const error = toLockstepError(cause);
  process.stderr.write(`${describe(error)}\n`);
  if (process.env["LOCKSTEP_DEBUG"] === "1") process.stderr.write(`${stackOf(cause)}\n`);
  if (json && !told) writeError(error);
  return midway && error.exitCode === 2 ? 1 : error.exitCode;
}

/** What was thrown before the closing of something that was open failed as well. */
function firstOf(thrown: unknown): unknown {
  return thrown instanceof SuppressedError ? firstOf(thrown.suppressed) : thrown;
}

export function writeError({ code, message, details }: Pick<LockstepError, "code" | "message" | "details">): void {
  process.stdout.write(`${JSON.stringify({ error: { code, message, details } })}\n`);
}

function describe(error: LockstepError): string {
  const message = printable(error.message.replaceAll(/\s*\n\s*/g, " "));
  if (error.code === "CANCELLED") return `interrupted: ${message}`;
  const hint =
    error.code === "INTERNAL" && process.env["LOCKSTEP_DEBUG"] !== "1"
      ? "\nThis is a fault of lockstep itself; LOCKSTEP_DEBUG=1 shows where."
      : "";
  return `error: ${message} [${error.code}]${hint}`;
}

/** With what it was caused by. */
function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? thrown.message;
  return thrown.cause === undefined ? stack : `${stack}\ncaused by: ${stackOf(thrown.cause)}`;
}

/**
 * A reader that has seen enough (`| head`) ends the command quietly. A closed standard error only silences it: a
 * training goes on when its terminal is gone.
 */
export function guardStreams(): void {
  process.stdout.on("error", endWithReader);
  process.stderr.on("error", () => undefined); // there is nowhere left to say so
}

function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  refuseOutput(error);
}

function refuseOutput(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  throw new LockstepError(
    "DISK_FAILED",
    `the result cannot be written to standard output: ${error.message}`,
    {},
    { cause: error },
  );
}

/** For a command whose work is not its output: a reader that has gone only silences it. */
export function outliveReader(): void {
  process.stdout.off("error", endWithReader).on("error", refuseOutput);
}

/** How this command was called, for a line to copy: a clone has no `lockstep` on its path. */
export function commandName(): string {
  const called = process.argv[1] ?? "";
  return basename(called).endsWith(".mjs") ? `node ${relative(process.cwd(), called)}` : "lockstep";
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

export function withInterval({
  value,
  low,
  high,
}: {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}): string {
  return `${percent(value)} (95 %: ${(low * 100).toFixed(1)}–${(high * 100).toFixed(1)})`;
}
