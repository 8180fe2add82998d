/** Threads that do what a script says: lists of operations on two words, as data. */
import { program } from "../../src/threads/explore/index.ts";

export type Step =
  | { readonly op: "load" | "add" | "notify" | "notifyAll" | "read" | "write"; readonly at: number }
  | { readonly op: "store"; readonly at: number; readonly value: number }
  | { readonly op: "cas" | "wait" | "waitTimed"; readonly at: number; readonly value: number };

export interface ScriptState {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly script: readonly (readonly Step[])[];
}

function perform(words: Int32Array, step: Step): unknown {
  switch (step.op) {
    case "load": return Atomics.load(words, step.at);
    case "store": return Atomics.store(words, step.at, step.value);
    case "add": return Atomics.add(words, step.at, 1);
    case "cas": return Atomics.compareExchange(words, step.at, step.value, 7);
    case "wait": return Atomics.wait(words, step.at, step.value);
    case "waitTimed": return Atomics.wait(words, step.at, step.value, 10);
    case "notify": return Atomics.notify(words, step.at, 1);
    case "notifyAll": return Atomics.notify(words, step.at);
    case "read": return words[step.at];
    case "write": return (words[step.at] = 9);
  }
}

const body = ({ words, script }: ScriptState, { index }: { readonly index: number }): unknown[] => script[index]!.map((step) => perform(words, step));

export const scripted = Object.fromEntries([2, 3].map((threads) => [String(threads), program<ScriptState>(import.meta.url, {
  title: `scripts on ${threads} threads`,
  setup: () => ({ words: new Int32Array(new SharedArrayBuffer(8)), script: Array.from({ length: threads }, () => []) }),
  threads: Array.from({ length: threads }, () => body),
})]));
