/** Accesses that are not atomic where they must be, or not atomic together; and atomic ones of two sizes. */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/program.ts";
import { lock, startingAs, unlock, type State } from "./words.ts";

const COUNT = 0;
const twoCounted = ({ words }: State): void => assert.equal(words[COUNT], 2);
const counting = (increment: (state: State) => void) =>
  program<State>(import.meta.url, { setup: startingAs(0), threads: [increment, increment], check: twoCounted });
const counted = (): ReturnType<typeof counting> =>
  counting(({ words }) => {
    Atomics.add(words, COUNT, 1);
  });

export const plainIncrement = {
  bug: counting(({ words }) => {
    words[COUNT]!++;
  }),
  twin: counted(),
};
/** No data race, and wrong all the same. */
export const lostUpdate = {
  bug: counting(({ words }) => {
    Atomics.store(words, COUNT, Atomics.load(words, COUNT) + 1);
  }),
  twin: counted(),
};

const POINTER = 0;
const TARGET = 1;

function publish({ words }: State): void {
  words[TARGET] = 42;
  Atomics.store(words, POINTER, TARGET);
}

export const plainPointer = {
  bug: program(import.meta.url, {
    setup: startingAs(0, 0),
    threads: [publish, ({ words }) => (words[POINTER] === 0 ? null : words[TARGET])],
  }),
  twin: program(import.meta.url, {
    setup: startingAs(0, 0),
    threads: [publish, ({ words }) => (Atomics.load(words, POINTER) === 0 ? null : words[TARGET])],
  }),
};

const LOCK = 0;
const READY = 1;
const VALUE = 2;

/** Double-checked initialization: the first look is outside of the lock. */
const initialized =
  (isReady: (state: State) => boolean, setReady: (state: State) => void) =>
  (state: State): void => {
    const { words } = state;
    if (!isReady(state)) {
      lock(words, LOCK);
      if (!isReady(state)) {
        words[VALUE] = 42;
        setReady(state);
      }
      unlock(words, LOCK);
    }
    assert.equal(words[VALUE], 42);
  };

const plainly = initialized(
  ({ words }) => words[READY] === 1,
  ({ words }) => {
    words[READY] = 1;
  },
);
const atomically = initialized(
  ({ words }) => Atomics.load(words, READY) === 1,
  ({ words }) => {
    Atomics.store(words, READY, 1);
  },
);

export const doubleChecked = {
  bug: program(import.meta.url, { setup: startingAs(0, 0, 0), threads: [plainly, plainly] }),
  twin: program(import.meta.url, { setup: startingAs(0, 0, 0), threads: [atomically, atomically] }),
};

interface Mixed {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

function mixed(): Mixed {
  const buffer = new SharedArrayBuffer(4);
  return { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
}

const setWord = ({ words }: Mixed): void => {
  Atomics.store(words, 0, 0x0101);
};

/** An atomic access of a byte and one of the word around it are no more ordered than plain ones. */
export const twoSizes = {
  bug: program(import.meta.url, { setup: mixed, threads: [setWord, ({ bytes }) => Atomics.load(bytes, 0)] }),
  twin: program(import.meta.url, { setup: mixed, threads: [setWord, ({ words }) => Atomics.load(words, 0) & 0xff] }),
};
