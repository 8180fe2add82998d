/** Flags that several verbs share, flags as values, and errors that name the flag. */
import { InvalidArgumentError, Option, type Command } from "commander";

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

export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("expected a number from 0 to 1.");
  return value;
}

/** `pretrain.epochs=3` onto the settings gathered so far; the value is JSON where it reads as JSON, else a word. */
export function setting(text: string, gathered: Record<string, unknown> = {}): Record<string, unknown> {
  const [, path, value] = /^([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)=(.*)$/s.exec(text) ?? [];
  if (path === undefined || value === undefined)
    throw new InvalidArgumentError("expected NAME=VALUE, such as pretrain.epochs=3.");
  return put(gathered, path.split("."), jsonOrWord(value));
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

function jsonOrWord(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
