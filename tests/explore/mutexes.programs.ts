/** Small programs whose numbers of interleavings are known, and wrong twins. */
import assert from "node:assert/strict";
import { program } from "../../src/threads/explore/index.ts";

interface State {
  readonly words: Int32Array<SharedArrayBuffer>;
}
const setup =
  (count = 2) =>
  (): State => ({ words: new Int32Array(new SharedArrayBuffer(4 * count)) });

/** U. Drepper's mutex 2: 0 free, 1 locked, 2 locked and somebody may sleep. */
function lock(words: Int32Array): void {
  let word = Atomics.compareExchange(words, 0, 0, 1);
  if (word === 0) return;
  do {
    if (word === 2 || Atomics.compareExchange(words, 0, 1, 2) !== 0) Atomics.wait(words, 0, 2);
    word = Atomics.compareExchange(words, 0, 0, 2);
  } while (word !== 0);
}

function unlock(words: Int32Array): void {
  if (Atomics.sub(words, 0, 1) === 1) return;
  Atomics.store(words, 0, 0);
  Atomics.notify(words, 0, 1);
}

const increments =
  (times: number) =>
  ({ words }: State): void => {
    for (let i = 0; i < times; i++) {
      lock(words);
      words[1] = words[1]! + 1;
      unlock(words);
    }
  };

const mutex = (threads: number, times: number) =>
  program<State>(import.meta.url, {
    title: `mutex, ${threads} threads × ${times}`,
    setup: setup(),
    threads: Array.from({ length: threads }, () => increments(times)),
    check: ({ words }) => assert.equal(words[1], threads * times),
  });

export const good = { m21: mutex(2, 1), m22: mutex(2, 2), m31: mutex(3, 1), m41: mutex(4, 1) };

export const lostUpdate = program<State>(import.meta.url, {
  setup: setup(),
  threads: [0, 1].map(() => ({ words }: State) => {
    words[1] = words[1]! + 1;
  }),
  check: ({ words }) => assert.equal(words[1], 2),
});

export const noRecheck = program<State>(import.meta.url, {
  title: "a waiter that does not look again",
  setup: setup(),
  threads: [
    ({ words }) => {
      if (Atomics.load(words, 0) === 0) Atomics.wait(words, 0, 0);
    },
    ({ words }) => {
      Atomics.notify(words, 0);
      Atomics.store(words, 0, 1);
    },
  ],
});
