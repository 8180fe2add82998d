/** Bugs around mutexes: taken in two orders, released twice, its owner unknown to whoever cleans up after a death. */
import { program } from "../../../src/threads/explore/program.ts";
import { lock, startingAs, unlock, type State, type Words } from "./words.ts";

type Pair = Readonly<Record<"left" | "right", State>>;
const pair = (): Pair => ({ left: startingAs(0)(), right: startingAs(0)() });

const both =
  (first: keyof Pair, second: keyof Pair) =>
  (state: Pair): void => {
    lock(state[first].words, 0);
    lock(state[second].words, 0);
    unlock(state[second].words, 0);
    unlock(state[first].words, 0);
  };

export const lockInversion = {
  bug: program(import.meta.url, { setup: pair, threads: [both("left", "right"), both("right", "left")] }),
  twin: program(import.meta.url, { setup: pair, threads: [both("left", "right"), both("left", "right")] }),
};

const LOCK = 0;
const COUNT = 1;

function increment({ words }: State): void {
  lock(words, LOCK);
  words[COUNT] = words[COUNT]! + 1;
  unlock(words, LOCK);
}

/** As where the work releases the lock, and a `finally` around it does so too: by then it may be another's. */
function incrementAndReleaseAgain(state: State): void {
  try {
    increment(state);
  } finally {
    unlock(state.words, LOCK);
  }
}

export const doubleRelease = {
  bug: program(import.meta.url, {
    setup: startingAs(0, 0),
    threads: [
      (state) => {
        incrementAndReleaseAgain(state);
        increment(state);
      },
      increment,
    ],
  }),
  twin: program(import.meta.url, {
    setup: startingAs(0, 0),
    threads: [
      (state) => {
        increment(state);
        increment(state);
      },
      increment,
    ],
  }),
};

/** The lock word of these: 0 free, TAKEN by somebody who has not said yet who it is, else the owner's thread. */
const TAKEN = -1;

/** Takes the lock, then says whose it is: a death in between leaves a lock that nobody owns. */
function lockThenRecord(words: Words, self: number): void {
  takeAs(words, TAKEN);
  Atomics.store(words, LOCK, self);
}

/** What takes the lock says whose it is: there is no in between. */
function takeAs(words: Words, value: number): void {
  for (;;) {
    const owner = Atomics.compareExchange(words, LOCK, 0, value);
    if (owner === 0) return;
    Atomics.wait(words, LOCK, owner);
  }
}

function free(words: Words): void {
  Atomics.store(words, LOCK, 0);
  Atomics.notify(words, LOCK);
}

/** Whoever watches over the threads frees what a dead one owns, and has everybody look again. */
const supervised = (take: (words: Words, self: number) => void) => {
  const hold = ({ words }: State, { threadId }: { readonly threadId: number }): void => {
    take(words, threadId);
    free(words);
  };
  return program<State>(import.meta.url, {
    setup: startingAs(0),
    threads: [hold, hold],
    supervise: ({ words }, { threadId }) => {
      Atomics.compareExchange(words, LOCK, threadId, 0);
      Atomics.notify(words, LOCK);
    },
  });
};

export const deadOwner = { bug: supervised(lockThenRecord), twin: supervised(takeAs) };
