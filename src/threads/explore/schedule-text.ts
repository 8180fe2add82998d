/**
 * A schedule as text: whose turn it was, step by step: `0*12,1*3,k0,1` (twelve steps of thread 0, three of thread 1,
 * thread 0 dies, one of thread 1).
 */
import { LockstepError } from "../../base/index.ts";
import { KILL_FLAG } from "./control.ts";

export function formatSchedule(choices: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < choices.length;) {
    const choice = choices[at]!;
    let count = 1;
    while (choices[at + count] === choice) count++;
    const name = (choice & KILL_FLAG) !== 0 ? `k${choice & ~KILL_FLAG}` : String(choice);
    parts.push(count === 1 ? name : `${name}*${count}`);
    at += count;
  }
  return parts.join(",");
}

export function parseSchedule(text: string): number[] {
  if (text.trim() === "") return [];
  return text.split(",").flatMap((part) => {
    const match = /^(k?)([0-8])(?:\*(\d{1,5}))?$/.exec(part.trim());
    if (match === null)
      throw new LockstepError("OPTION_INVALID", `"${part}" is no part of a schedule: it looks like 0*12,1*3,k0,1`, {
        part,
      });
    const choice = Number(match[2]) | (match[1] === "k" ? KILL_FLAG : 0);
    return Array.from({ length: Number(match[3] ?? 1) }, () => choice);
  });
}
