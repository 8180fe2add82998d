/** Loops that try again: for ever, or so many times and then something else. */
import { program, type ThreadBody } from "../../src/threads/explore/index.ts";

interface State {
  readonly w: Int32Array<SharedArrayBuffer>;
}
const setup = (): State => ({ w: new Int32Array(new SharedArrayBuffer(16)) });
const of = (...threads: ThreadBody<State>[]) => program<State>(import.meta.url, { setup, threads });
const times = <T>(count: number, what: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => what(i));

const sets: ThreadBody<State> = ({ w }) => {
  Atomics.store(w, 0, 1);
};
const hands: ThreadBody<State> = ({ w }) => {
  Atomics.store(w, 0, 1);
  return Atomics.notify(w, 0);
};
const parks =
  (tries: number): ThreadBody<State> =>
  ({ w }) => {
    for (let left = tries; left > 0; left--) if (Atomics.load(w, 0) !== 0) return `try ${tries - left}`;
    return Atomics.wait(w, 0, 0);
  };
const givesUp =
  (tries: number): ThreadBody<State> =>
  ({ w }) => {
    let left = tries;
    while (left > 0 && Atomics.load(w, 0) === 0) left--;
    return left;
  };

/** Tries 2, 4, 8 and 12 times, and then sleeps, or gives up. */
export const parking = Object.fromEntries([2, 4, 8, 12].map((tries) => [`n${tries}`, of(parks(tries), hands)]));
export const polling = Object.fromEntries([2, 4, 8, 12].map((tries) => [`n${tries}`, of(givesUp(tries), sets)]));

/** No loop at all, and one that only looks like one from outside. */
export const fourLoads = of(
  ({ w }) => [Atomics.load(w, 0), Atomics.load(w, 0), Atomics.load(w, 0), Atomics.load(w, 0)],
  sets,
);
export const manyLoads = of(({ w }) => times(12, () => Atomics.load(w, 0)), sets);

/** Loops that keep nothing: nothing is left out where they are put off. */
export const exact = {
  load: of(({ w }) => {
    while (Atomics.load(w, 0) === 0);
  }, sets),
  pause: of(({ w }) => {
    while (Atomics.load(w, 0) === 0) Atomics.pause();
  }, sets),
  forEver: of(({ w }) => {
    for (;;) {
      const seen = Atomics.load(w, 0);
      if (seen !== 0) return seen;
    }
  }, sets),
  doWhile: of(({ w }) => {
    let seen = 0;
    do seen = Atomics.load(w, 0);
    while (seen === 0);
    return seen;
  }, sets),
  twoWords: of(
    ({ w }) => {
      while (Atomics.load(w, 0) === 0 || Atomics.load(w, 1) === 0);
    },
    sets,
    ({ w }) => {
      Atomics.store(w, 1, 1);
    },
  ),
  lock: of(
    ...times(2, (): ThreadBody<State> => ({ w }) => {
      while (Atomics.compareExchange(w, 0, 0, 1) !== 0);
      Atomics.add(w, 1, 1);
      Atomics.store(w, 0, 0);
    }),
  ),
  testAndSet: of(
    ...times(3, (): ThreadBody<State> => ({ w }) => {
      while (Atomics.exchange(w, 0, 1) !== 0);
      Atomics.add(w, 1, 1);
      Atomics.store(w, 0, 0);
    }),
  ),
  ticket: of(
    ...times(2, (): ThreadBody<State> => ({ w }) => {
      const mine = Atomics.add(w, 0, 1);
      for (let turn = Atomics.load(w, 1); turn !== mine; turn = Atomics.load(w, 1));
      Atomics.add(w, 1, 1);
    }),
  ),
  plain: of(
    ({ w }) => {
      while (w[0] === 0);
    },
    ({ w }) => {
      w[0] = 1;
    },
  ),
  polls: of(({ w }) => {
    while (Atomics.load(w, 0) === 0) Atomics.wait(w, 0, 0, 10);
  }, sets),
};

const look = (w: Int32Array): number => Atomics.load(w, 0);
/** Loops that may keep something, or do. */
export const unproven = {
  call: of(({ w }) => {
    while (look(w) === 0);
  }, sets),
  counts: of(({ w }) => {
    let rounds = 0;
    while (Atomics.load(w, 0) === 0) rounds++;
    return rounds > 1000;
  }, sets),
  derives: of(({ w }) => {
    let rounds = 0;
    while (Atomics.load(w, 0) === 0 && rounds < 20) {
      const next = rounds + 1;
      rounds = next;
    }
    return rounds;
  }, sets),
  outer: of(({ w }) => {
    for (let tries = 0; tries < 20; tries++) {
      while (Atomics.load(w, 0) === 5);
    }
  }, sets),
  states: of(({ w }) => {
    let state = 0;
    while (Atomics.load(w, 0) === 0) {
      if (state === 3) return "gave up";
      if (state === 2) state = 3;
      if (state === 1) state = 2;
      if (state === 0) state = 1;
    }
    return state;
  }, sets),
  clock: of(({ w }) => {
    while (Atomics.load(w, 0) === 0) Atomics.wait(w, 0, 0, 10);
    return performance.now();
  }, sets),
};
