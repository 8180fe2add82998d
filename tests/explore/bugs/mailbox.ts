/**
 * Check, then act: two producers look whether a mailbox for one message is empty, and both put theirs in. The twin
 * looks and claims in one step.
 */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

const STATE = 0;
const MESSAGE = 1;
const EMPTY = 0;
const CLAIMED = 1;
const FULL = 2;

function fill(words: Words, message: number): true {
  Atomics.store(words, MESSAGE, message);
  Atomics.store(words, STATE, FULL);
  Atomics.notify(words, STATE);
  return true;
}

const offer = (words: Words, message: number): boolean => Atomics.load(words, STATE) === EMPTY && fill(words, message);
const claimAndFill = (words: Words, message: number): boolean =>
  Atomics.compareExchange(words, STATE, EMPTY, CLAIMED) === EMPTY && fill(words, message);

function receive(words: Words): number {
  for (let state = Atomics.load(words, STATE); state !== FULL; state = Atomics.load(words, STATE))
    Atomics.wait(words, STATE, state);
  const message = Atomics.load(words, MESSAGE);
  Atomics.store(words, STATE, EMPTY);
  return message;
}

/** What was accepted, less what was received, is what is still in the box. */
const passing = (put: (words: Words, message: number) => boolean) =>
  program<State>(import.meta.url, {
    setup: startingAs(EMPTY, 0),
    threads: [({ words }) => put(words, 1), ({ words }) => put(words, 2), ({ words }) => receive(words)],
    check: ({ words }, { results }) =>
      assert.equal(
        (results[0] ? 1 : 0) + (results[1] ? 1 : 0),
        1 + (words[STATE] === FULL ? 1 : 0),
        "a message that was accepted is gone",
      ),
  });

export const checkThenAct = { bug: passing(offer), twin: passing(claimAndFill) };
