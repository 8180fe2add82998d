/**
 * Little programs (small.ts) as real code. Which of them is run is a number in memory that is no part of the state, so
 * that the same threads can run one after another: it is the key of a map, where nobody looks for shared memory.
 * Reading it is the first step of each thread and depends on nothing: searches have to see past such steps.
 */
import { program } from "../../../src/threads/explore/index.ts";
import { small, WORDS, type Op, type Small } from "./small.ts";

export interface SmallState {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly which: ReadonlyMap<SharedArrayBuffer, null>;
}

export function choose({ which }: SmallState, seed: number): void {
  for (const buffer of which.keys()) new Int32Array(buffer)[0] = seed;
}

function perform(word: Int32Array, op: Op): number | string {
  switch (op.op) {
    case "load":
      return Atomics.load(word, 0);
    case "store":
      return Atomics.store(word, 0, op.value);
    case "release":
      return Atomics.store(word, 0, 0);
    case "add":
      return Atomics.add(word, 0, op.value);
    case "exchange":
      return Atomics.exchange(word, 0, op.value);
    case "cas":
      return Atomics.compareExchange(word, 0, op.expected, op.value);
    case "until":
      while (Atomics.load(word, 0) !== op.value);
      return op.value;
    case "tries":
      for (let left = op.tries; left > 0; left--) if (Atomics.load(word, 0) === op.value) return left;
      return 0;
    case "retry":
      for (;;) {
        const old = Atomics.load(word, 0);
        if (Atomics.compareExchange(word, 0, old, old + 1) === old) return old;
      }
    case "acquire":
      while (Atomics.compareExchange(word, 0, 0, 1) !== 0);
      return 0;
    case "wait":
      return Atomics.wait(word, 0, op.value);
    case "waitTimed":
      return Atomics.wait(word, 0, op.value, 10);
    case "notify":
      return Atomics.notify(word, 0, op.count);
  }
}

/** Word `at` of a program lies in eight bytes of its own. */
export function wordOf({ type }: Small, { buffer }: Uint8Array<SharedArrayBuffer>, at: number): Int32Array {
  const name = at < 2 ? "Int32Array" : type;
  const Elements = globalThis[name] as unknown as new (
    buffer: SharedArrayBuffer,
    at: number,
    length: number,
  ) => Int32Array;
  return new Elements(buffer, 8 * at, 1);
}

const on = (threads: number) =>
  program<SmallState>(import.meta.url, {
    setup: () => ({
      bytes: new Uint8Array(new SharedArrayBuffer(8 * WORDS)),
      which: new Map([[new SharedArrayBuffer(4), null]]),
    }),
    threads: Array.from({ length: threads }, (_, index) => ({ bytes, which }: SmallState) => {
      const [buffer] = which.keys();
      const chosen = small(new Int32Array(buffer!)[0]!, threads);
      return chosen.threads[index]!.map((op) => perform(wordOf(chosen, bytes, op.at), op));
    }),
  });

export const running = { two: on(2), three: on(3) };

/** The same with deaths: whoever deals with one changes word 1 and wakes who sleeps on it. */
export const dying = {
  two: program<SmallState>(import.meta.url, {
    ...on(2),
    supervise: ({ bytes }, { thread }) => {
      const word = new Int32Array(bytes.buffer, 8, 1);
      Atomics.add(word, 0, 1 + thread);
      Atomics.notify(word, 0, 1);
    },
  }),
};
