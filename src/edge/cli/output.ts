/** Where a verb's words go: results to standard output (one JSON document with `--json`), everything else to standard error. */
import { toLockstepError, type LockstepError } from "../../base/index.ts";

export interface Output {
  readonly json: boolean;
  /** A result for people; nothing with `--json`. */
  print(line: string): void;
  /** The result for programs; nothing without `--json`. */
  result(value: unknown): void;
  /** What happens meanwhile. */
  note(line: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    print: (line) => { if (!json) process.stdout.write(`${line}\n`); },
    result: (value) => { if (json) process.stdout.write(`${JSON.stringify(value)}\n`); },
    note: (line) => { process.stderr.write(`${line}\n`); },
  };
}

/** Says what went wrong; returns the exit code. */
export function reportError(thrown: unknown, json: boolean): number {
  const error: LockstepError = toLockstepError(thrown);
  process.stderr.write(`${error.code === "CANCELLED" ? "interrupted" : "error"}: ${error.message}${error.code === "CANCELLED" ? "" : ` [${error.code}]`}\n`);
  if (process.env["LOCKSTEP_DEBUG"] === "1") process.stderr.write(`${error.cause instanceof Error ? error.cause.stack ?? "" : error.stack ?? ""}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ error: { code: error.code, message: error.message, details: error.details } })}\n`);
  return error.exitCode;
}

export function percent(share: number): string { return `${(share * 100).toFixed(1)} %`; }

export function withInterval({ value, low, high }: { readonly value: number; readonly low: number; readonly high: number }): string {
  return `${percent(value)} (95 %: ${(low * 100).toFixed(1)}–${(high * 100).toFixed(1)})`;
}
