/**
 * Loaded before a unit test (units.ts) with `--import`: chooses the mutant that every thread of this process runs, and
 * leaves a list of what was reached when the process ends. What it is to do is JSON in the environment.
 */
import { writeFileSync } from "node:fs";
import { isMainThread, setEnvironmentData } from "node:worker_threads";
import { ENVIRONMENT } from "./tree.ts";

/** The environment variable. */
export const TASK = "LOCKSTEP_MUTANT";

export interface Task {
  /** −1: none. */
  readonly mutant: number;
  /** How many there are in all. */
  readonly total: number;
  /** Where the numbers of those that were reached are written, as JSON. */
  readonly reached: string;
}

// Workers inherit both `--import` and the environment data.
const text = process.env[TASK];
if (isMainThread && text !== undefined) {
  const { mutant, total, reached } = JSON.parse(text) as Task;
  const words = new Int32Array(new SharedArrayBuffer(4 * (total + 1)));
  words[0] = mutant;
  setEnvironmentData(ENVIRONMENT, words);
  process.once("exit", () => {
    const numbers = Array.from({ length: total }, (_, index) => index).filter((index) => words[index + 1] !== 0);
    writeFileSync(reached, JSON.stringify(numbers));
  });
}
