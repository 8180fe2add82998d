/**
 * Bugs of waiting for something: looking only once, waking too early, a signal that goes out again before anybody saw
 * it.
 */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

const ITEMS = 0;

function produceTwo({ words }: State): void {
  for (let item = 0; item < 2; item++) {
    Atomics.add(words, ITEMS, 1);
    Atomics.notify(words, ITEMS);
  }
}

/** Takes without looking again: whoever comes between the wake-up and the waiter has the item already. */
function takeWithoutRecheck({ words }: State): void {
  if (Atomics.load(words, ITEMS) === 0) Atomics.wait(words, ITEMS, 0);
  assert.ok(Atomics.sub(words, ITEMS, 1) > 0, "took an item that was not there");
}

function take({ words }: State): void {
  for (;;) {
    const items = Atomics.load(words, ITEMS);
    if (items === 0) Atomics.wait(words, ITEMS, 0);
    else if (Atomics.compareExchange(words, ITEMS, items, items - 1) === items) return;
  }
}

export const missingRecheck = {
  bug: program(import.meta.url, {
    setup: startingAs(0),
    threads: [takeWithoutRecheck, takeWithoutRecheck, produceTwo],
  }),
  twin: program(import.meta.url, { setup: startingAs(0), threads: [take, take, produceTwo] }),
};

const FLAG = 0;

function awaitFlag({ words }: State): void {
  while (Atomics.load(words, FLAG) === 0) Atomics.wait(words, FLAG, 0);
}

export const notifyBeforeStore = {
  bug: program(import.meta.url, {
    setup: startingAs(0),
    threads: [
      awaitFlag,
      ({ words }) => {
        Atomics.notify(words, FLAG);
        Atomics.store(words, FLAG, 1);
      },
    ],
  }),
  twin: program(import.meta.url, {
    setup: startingAs(0),
    threads: [
      awaitFlag,
      ({ words }) => {
        Atomics.store(words, FLAG, 1);
        Atomics.notify(words, FLAG);
      },
    ],
  }),
};

function spinUntilSet({ words }: State): void {
  while (Atomics.load(words, FLAG) === 0) Atomics.pause();
}

function raise(words: Words): void {
  Atomics.store(words, FLAG, 1);
}

/** A flag that is lowered again need not be seen by who spins on it; one that stays is. */
export const loweredFlag = {
  bug: program(import.meta.url, {
    setup: startingAs(0),
    threads: [
      spinUntilSet,
      ({ words }) => {
        raise(words);
        Atomics.store(words, FLAG, 0);
      },
    ],
  }),
  twin: program(import.meta.url, { setup: startingAs(0), threads: [spinUntilSet, ({ words }) => raise(words)] }),
};
