/** Bugs of cells that are read without a lock: a seqlock, and two slots of which a reader pins the current one. */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

const SEQUENCE = 0;
const LEFT = 1;
const RIGHT = 2;

function writePair({ words }: State): void {
  Atomics.add(words, SEQUENCE, 1);
  Atomics.store(words, LEFT, 7);
  Atomics.store(words, RIGHT, 7);
  Atomics.add(words, SEQUENCE, 1);
}

/** Waits until nobody writes, but does not look whether somebody has written meanwhile. */
function readPairOnce(words: Words): [number, number] {
  while (Atomics.load(words, SEQUENCE) % 2 === 1) Atomics.pause();
  return [Atomics.load(words, LEFT), Atomics.load(words, RIGHT)];
}

function readPair(words: Words): [number, number] {
  for (;;) {
    const before = Atomics.load(words, SEQUENCE);
    if (before % 2 === 1) continue;
    const pair: [number, number] = [Atomics.load(words, LEFT), Atomics.load(words, RIGHT)];
    if (Atomics.load(words, SEQUENCE) === before) return pair;
  }
}

const reading =
  (read: (words: Words) => [number, number]) =>
  ({ words }: State): void => {
    const [left, right] = read(words);
    assert.equal(left, right, "half of one value and half of another");
  };

export const tornRead = {
  bug: program(import.meta.url, { setup: startingAs(0, 0, 0), threads: [writePair, reading(readPairOnce)] }),
  twin: program(import.meta.url, { setup: startingAs(0, 0, 0), threads: [writePair, reading(readPair)] }),
};

const CURRENT = 0;
const pins = (slot: number): number => 1 + slot;
const payload = (slot: number): number => 3 + slot;

/** Puts `value` into the slot that is not current, and makes it current. */
function publish(words: Words, value: number): void {
  const slot = 1 - Atomics.load(words, CURRENT);
  words[payload(slot)] = value;
  Atomics.store(words, CURRENT, slot);
}

function publishUnpinned(words: Words, value: number): void {
  const slot = 1 - Atomics.load(words, CURRENT);
  for (let held = Atomics.load(words, pins(slot)); held !== 0; held = Atomics.load(words, pins(slot)))
    Atomics.wait(words, pins(slot), held);
  words[payload(slot)] = value;
  Atomics.store(words, CURRENT, slot);
}

function unpin(words: Words, slot: number): void {
  if (Atomics.sub(words, pins(slot), 1) === 1) Atomics.notify(words, pins(slot));
}

/** The slot may have been given up between the load and the pin. */
function pinUnchecked(words: Words): number {
  const slot = Atomics.load(words, CURRENT);
  Atomics.add(words, pins(slot), 1);
  return slot;
}

function pin(words: Words): number {
  for (;;) {
    const slot = pinUnchecked(words);
    if (Atomics.load(words, CURRENT) === slot) return slot;
    unpin(words, slot);
  }
}

const readingPinned =
  (take: (words: Words) => number) =>
  ({ words }: State): number => {
    const slot = take(words);
    const value = words[payload(slot)]!;
    unpin(words, slot);
    return value;
  };

const publishingTwice =
  (put: (words: Words, value: number) => void) =>
  ({ words }: State): void => {
    put(words, 1);
    put(words, 2);
  };

const slots = startingAs(0, 0, 0, 0, 0);
const twin = program(import.meta.url, {
  setup: slots,
  threads: [publishingTwice(publishUnpinned), readingPinned(pin)],
});

export const reuseBeforeUnpin = {
  bug: program(import.meta.url, { setup: slots, threads: [publishingTwice(publish), readingPinned(pin)] }),
  twin,
};
export const pinWithoutRecheck = {
  bug: program(import.meta.url, {
    setup: slots,
    threads: [publishingTwice(publishUnpinned), readingPinned(pinUnchecked)],
  }),
  twin: program(import.meta.url, { ...twin }),
};
