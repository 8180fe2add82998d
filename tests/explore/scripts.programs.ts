/** Threads that do what a script says: lists of operations on two words, as data. */
import { program } from "../../src/threads/explore/index.ts";

export type Step =
  | { readonly op: "load" | "add" | "notify" | "notifyAll" | "read" | "write"; readonly at: number }
  | { readonly op: "store"; readonly at: number; readonly value: number }
  | {
      readonly op: "cas" | "wait" | "waitTimed" | "waitAsync" | "waitAsyncTimed";
      readonly at: number;
      readonly value: number;
    };

export interface ScriptState {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly script: readonly (readonly Step[])[];
}

function perform(words: Int32Array, step: Step): unknown {
  switch (step.op) {
    case "load":
      return Atomics.load(words, step.at);
    case "store":
      return Atomics.store(words, step.at, step.value);
    case "add":
      return Atomics.add(words, step.at, 1);
    case "cas":
      return Atomics.compareExchange(words, step.at, step.value, 7);
    case "wait":
      return Atomics.wait(words, step.at, step.value);
    case "waitTimed":
      return Atomics.wait(words, step.at, step.value, 10);
    case "waitAsync":
      return Atomics.waitAsync(words, step.at, step.value).value;
    case "waitAsyncTimed":
      return Atomics.waitAsync(words, step.at, step.value, 10).value;
    case "notify":
      return Atomics.notify(words, step.at, 1);
    case "notifyAll":
      return Atomics.notify(words, step.at);
    case "read":
      return words[step.at];
    case "write":
      return (words[step.at] = 9);
  }
}

const body = ({ words, script }: ScriptState, { index }: { readonly index: number }): unknown[] =>
  script[index]!.map((step) => perform(words, step));

export const scripted = Object.fromEntries(
  [2, 3].map((threads) => [
    String(threads),
    program<ScriptState>(import.meta.url, {
      title: `scripts on ${threads} threads`,
      setup: () => ({
        words: new Int32Array(new SharedArrayBuffer(8)),
        script: Array.from({ length: threads }, () => []),
      }),
      threads: Array.from({ length: threads }, () => body),
    }),
  ]),
);

export interface TaskState {
  readonly words: Int32Array<SharedArrayBuffer>;
  /** For each thread, the scripts of its tasks, which run at once. */
  readonly tasks: readonly (readonly (readonly Step[])[])[];
}

export const tasks = program<TaskState>(import.meta.url, {
  title: "asynchronous tasks on two threads",
  setup: () => ({ words: new Int32Array(new SharedArrayBuffer(8)), tasks: [[], []] }),
  threads: [0, 1].map((index) => async ({ words, tasks: scripts }: TaskState) => {
    const order: string[] = [];
    await Promise.all(
      scripts[index]!.map(async (script, task) => {
        for (const step of script) order.push(`${task}:${step.op}=${String(await perform(words, step))}`);
      }),
    );
    return order;
  }),
});
