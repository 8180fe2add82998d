/** Flags as values, and errors that name the flag. */
import { InvalidArgumentError } from "commander";

export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) throw new InvalidArgumentError(`expected an integer from ${least} to ${most}.`);
    return value;
  };
}

export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) throw new InvalidArgumentError("expected a number from 0 to 1.");
  return value;
}

/** `pretrain.epochs=3` onto the settings gathered so far; the value is JSON where it reads as JSON, else a word. */
export function setting(text: string, gathered: Record<string, unknown> = {}): Record<string, unknown> {
  const [, path, value] = /^([a-z0-9_.]+)=(.*)$/s.exec(text) ?? [];
  if (path === undefined || value === undefined) throw new InvalidArgumentError("expected NAME=VALUE, such as pretrain.epochs=3.");
  return put(gathered, path.split("."), jsonOrWord(value));
}

function put(target: Record<string, unknown>, [key = "", ...rest]: readonly string[], value: unknown): Record<string, unknown> {
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
