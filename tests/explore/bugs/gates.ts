/**
 * Bugs of giving up. A permit is handed over: each waiter sleeps on a gate of its own, and a release opens the first
 * gate that is shut, or keeps the permit where nobody waits. In these programs the waiters have come already, and one
 * of them is cancelled, or has a time limit.
 */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

const PERMITS = 0;
const GATES = [1, 2] as const;
const ABORT = 3;
const LEFT = 0;
const WAITS = 1;
const GRANTED = 2;
const CANCELLED = 3;
const setup = startingAs(0, WAITS, WAITS, 0);
const onlyFirst = startingAs(0, WAITS, LEFT, 0);

function release(words: Words): void {
  for (const gate of GATES) {
    if (Atomics.compareExchange(words, gate, WAITS, GRANTED) !== WAITS) continue;
    Atomics.notify(words, gate);
    return;
  }
  Atomics.add(words, PERMITS, 1);
}

function abortFirst(words: Words): void {
  Atomics.store(words, ABORT, 1);
  if (Atomics.compareExchange(words, GATES[0], WAITS, CANCELLED) === WAITS) Atomics.notify(words, GATES[0]);
}

function sleepAt(words: Words, gate: number): void {
  while (Atomics.load(words, gate) === WAITS) Atomics.wait(words, gate, WAITS);
}

/** Looks at the abort word alone, though it may have been handed the permit before it was cancelled. */
function acquireOrAbort(words: Words): boolean {
  sleepAt(words, GATES[0]);
  return Atomics.load(words, ABORT) === 0;
}

function acquireOrAbortAndPassOn(words: Words): boolean {
  sleepAt(words, GATES[0]);
  if (Atomics.load(words, ABORT) === 0) return true;
  if (Atomics.load(words, GATES[0]) === GRANTED) release(words);
  return false;
}

const aborting = (acquire: (words: Words) => boolean) =>
  program<State>(import.meta.url, {
    setup,
    threads: [
      ({ words }) => {
        if (acquire(words)) release(words);
      },
      ({ words }) => sleepAt(words, GATES[1]),
      ({ words }) => {
        release(words);
        abortFirst(words);
      },
    ],
  });

export const lostOnAbort = { bug: aborting(acquireOrAbort), twin: aborting(acquireOrAbortAndPassOn) };

/** Leaves when the time is over, though the gate may have been opened since. */
function acquireWithin(words: Words): boolean {
  while (Atomics.load(words, GATES[0]) === WAITS) {
    if (Atomics.wait(words, GATES[0], WAITS, 10) !== "timed-out") continue;
    Atomics.store(words, GATES[0], LEFT);
    return false;
  }
  return true;
}

/** Who leaves and who opens the gate settle it between them by one compare-and-set. */
function acquireWithinOrKeep(words: Words): boolean {
  while (Atomics.load(words, GATES[0]) === WAITS) {
    if (
      Atomics.wait(words, GATES[0], WAITS, 10) === "timed-out" &&
      Atomics.compareExchange(words, GATES[0], WAITS, LEFT) === WAITS
    )
      return false;
  }
  return true;
}

const limited = (acquire: (words: Words) => boolean) =>
  program<State>(import.meta.url, {
    setup: onlyFirst,
    threads: [({ words }) => acquire(words), ({ words }) => release(words)],
    check: ({ words }, { results }) =>
      assert.equal((results[0] === true ? 1 : 0) + words[PERMITS]!, 1, "one permit, held or free"),
  });

export const lostOnTimeout = { bug: limited(acquireWithin), twin: limited(acquireWithinOrKeep) };

const READY = 0;
const WAITERS = 1;

/** Counts itself as a waiter, and, when its time is over, not out again: the setter goes on notifying nobody. */
function awaitReady(words: Words, forget: boolean): boolean {
  Atomics.add(words, WAITERS, 1);
  while (Atomics.load(words, READY) === 0) {
    if (Atomics.wait(words, READY, 0, 10) !== "timed-out") continue;
    if (!forget) Atomics.sub(words, WAITERS, 1);
    return false;
  }
  Atomics.sub(words, WAITERS, 1);
  return true;
}

function becomeReady({ words }: State): void {
  Atomics.store(words, READY, 1);
  if (Atomics.load(words, WAITERS) > 0) Atomics.notify(words, READY);
}

const counting = (forget: boolean) =>
  program<State>(import.meta.url, {
    setup: startingAs(0, 0),
    threads: [({ words }) => awaitReady(words, forget), becomeReady],
    check: ({ words }) => assert.equal(words[WAITERS], 0, "nobody waits any more"),
  });

export const leakedWaiter = { bug: counting(true), twin: counting(false) };
