/**
 * A barrier that counts down to zero and is used twice: the second round begins to count before everybody has seen the
 * end of the first.
 */
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

const ARRIVED = 0;
const ROUND = 1;
const PARTIES = 2;

function arrive(words: Words): void {
  if (Atomics.add(words, ARRIVED, 1) + 1 === PARTIES) {
    Atomics.store(words, ARRIVED, 0);
    Atomics.notify(words, ARRIVED);
    return;
  }
  for (let arrived = Atomics.load(words, ARRIVED); arrived !== 0; arrived = Atomics.load(words, ARRIVED))
    Atomics.wait(words, ARRIVED, arrived);
}

/** What ends a round is a word that never has the same value again. */
function arriveInRound(words: Words): void {
  const round = Atomics.load(words, ROUND);
  if (Atomics.add(words, ARRIVED, 1) + 1 === PARTIES) {
    Atomics.store(words, ARRIVED, 0);
    Atomics.add(words, ROUND, 1);
    Atomics.notify(words, ROUND);
    return;
  }
  while (Atomics.load(words, ROUND) === round) Atomics.wait(words, ROUND, round);
}

const twice =
  (pass: (words: Words) => void) =>
  ({ words }: State): void => {
    pass(words);
    pass(words);
  };

export const barrierReuse = {
  bug: program(import.meta.url, { setup: startingAs(0, 0), threads: [twice(arrive), twice(arrive)] }),
  twin: program(import.meta.url, { setup: startingAs(0, 0), threads: [twice(arriveInRound), twice(arriveInRound)] }),
};
