/** Flags that several verbs share, flags as values, and errors that name the flag. */
import { createHash } from "node:crypto";
import { InvalidArgumentError, Option, type Command } from "commander";
import { parseStrictJson } from "../../base/index.ts";
import { ROLES, type LogReport } from "../api/index.ts";

export type Executor = "native" | "portable";

export interface ModelFlags {
  readonly version?: string;
  readonly threads?: number;
  readonly executor?: Executor;
  readonly json?: true;
}

export function addModelFlags(command: Command): Command {
  return command
    .option("--version <ref>", "alias, version name, or the start of one (default: champion)")
    .option("--threads <k>", "replica threads (default: all cores)", integer(1, 256))
    .addOption(executorOption("arithmetic (default: the one the version was made with)"));
}

export function executorOption(description: string): Option {
  return new Option("--executor <name>", description).choices(["native", "portable"]);
}

export const LOG_FLAG = ["--log <file>", "log of receipts (default: receipts.sqlite in the store)"] as const;

/** What a log is held against, and what is taken without. */
export function addTrustFlags(command: Command): Command {
  return command
    .option("--public-key <key>", "the log must be signed by this key (SPKI, DER, base64; default: $LOCKSTEP_HOME's)")
    .option("--expected-head <hash>", "the log must contain this head")
    .option("--min-count <n>", "the log must have at least as many receipts", WHOLE)
    .option("--allow-unsigned", "take a log that nobody vouches for");
}

/** Who signed a log, and what is claimed of it. */
export function trustedLines({ claim, key, kept, problem }: LogReport): string[] {
  if (problem !== undefined) return [];
  const fingerprint = key === null ? "" : createHash("sha256").update(Buffer.from(key, "base64")).digest("base64url");
  return [
    claim,
    ...(key === null ? [] : [`signed by ${key} (SHA-256 ${fingerprint})`]),
    ...(kept === null || kept === 0 ? [] : [`the head over ${kept} receipts, kept in $LOCKSTEP_HOME, is in the log`]),
  ];
}

export const JSON_FLAG = ["--json", "the result as JSON on standard output"] as const;
export const MODEL_ARGUMENT = ["<model>", "a store, or a folder in the Hugging Face layout"] as const;

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`expected an integer from ${least} to ${most}.`);
    return value;
  };
}

/** `second=sentence2` onto the columns named so far. */
export function columnOf(
  text: string,
  gathered: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, role, name] = /^([a-z]+)=(.+)$/s.exec(text) ?? [];
  if (role === undefined || name === undefined || !ROLES.some((one) => one === role))
    throw new InvalidArgumentError(`expected ROLE=NAME, with a role of ${ROLES.join(", ")}.`);
  return { ...gathered, [role]: name };
}

/** Any count. */
export const WHOLE = integer(0, Number.MAX_SAFE_INTEGER);

export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("expected a number from 0 to 1.");
  return value;
}

/** `phases.1.epochs=3` onto the settings gathered so far; the value is JSON where it reads as JSON, else a word. */
export function setting(text: string, gathered: Record<string, unknown> = {}): Record<string, unknown> {
  const [, path, value] = /^([a-z][a-z0-9_]*(?:\.[a-z0-9][a-z0-9_]*)*)=(.*)$/s.exec(text) ?? [];
  if (path === undefined || value === undefined)
    throw new InvalidArgumentError("expected NAME=VALUE, such as phases.1.epochs=3.");
  return put(gathered, path.split("."), jsonOrWord(value, `--set ${path}`));
}

function put(
  target: Record<string, unknown>,
  [key = "", ...rest]: readonly string[],
  value: unknown,
): Record<string, unknown> {
  const inner = target[key];
  const next = typeof inner === "object" && inner !== null ? { ...inner } : {};
  return { ...target, [key]: rest.length === 0 ? value : put(next, rest, value) };
}

/** As strictly as a recipe file is read: no key twice, no number that would be rounded. */
function jsonOrWord(text: string, what: string): unknown {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  return parseStrictJson(text, { what, code: "OPTION_INVALID", largeNumbers: "refuse" });
}
