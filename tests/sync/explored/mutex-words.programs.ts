/**
 * The words of the mutex, transition by transition (src/threads/sync/mutex-state.ts): what LOCK, QUEUE and SEAT are
 * before a step and after it. First a table for one thread alone; then two or three threads from a state that a longer
 * program would reach late, so that every order of the few steps that matter can be gone through.
 */
import assert from "node:assert/strict";
import { program, type ProgramSpec, type ThreadBody } from "../../../src/threads/explore/index.ts";
import { LIMIT, MutexState, QUEUE } from "../../../src/threads/sync/mutex-state.ts";
import { sleepOnce, type SleepOutcome } from "../../../src/threads/sync/wait.ts";
import { allocateWords, type Words } from "../../../src/threads/sync/words.ts";

const LOCK = 0;
const SEAT = 2;
const BROKEN = 1 << 23;
const WAITERS = 1 << 24;
const GRANTED = 1 << 25;
const BARGE = 1 << 26;
const MAX_BARGES = 2;

/** The owner of nobody here, and its threadId. */
const OTHER = 78;
const OTHER_ID = 77;
const owner = (thread: number): number => thread + 2;
const SELF = owner(0);

const made = (lock: number, queue = 0, seat = 0): Words => {
  const words = allocateWords(4);
  words.set([lock, queue, seat, MAX_BARGES]);
  assert.equal(words[LIMIT], MAX_BARGES);
  return words;
};
const stateOf = (words: Words): MutexState => new MutexState(words, () => "it");
const codeOf = (perform: () => unknown): unknown => {
  try {
    return perform();
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
};

/** What is done with the mutex; returns what came of it. */
type Act = (state: MutexState, words: Words) => unknown;

/** What happens to an acquisition, one after the other: a change of LOCK by somebody else, then how its sleep ended. */
type Sleeps = readonly (readonly [lock: number | null, outcome: SleepOutcome | "cancelled"])[];

/** "inside", the code that it ended with, or the index of the word that it sleeps on, and the value. */
const acquires =
  (sleeps: Sleeps = [], signal?: AbortSignal): Act =>
  (state, words) => {
    const acquisition = state.acquire(signal === undefined ? {} : { signal });
    return codeOf(() => {
      let step = acquisition.next();
      for (const [lock, outcome] of sleeps) {
        assert.notEqual(step.done, true, "it does not sleep");
        if (lock !== null) Atomics.store(words, LOCK, lock);
        step = acquisition.next(outcome);
      }
      return step.done === true ? "inside" : `${step.value.index} while ${step.value.expected}`;
    });
  };

const take: Act = (state) => codeOf(() => state.take());
const release: Act = (state) => codeOf(() => state.release());
const cancelled =
  (index: number): Act =>
  (state) =>
    codeOf(() => state.cancel(index));
const aborts = (): AbortSignal => AbortSignal.abort();

/** Sleepers in the word's queue; how many are left when `act` is over. */
const beside =
  (index: number, sleepers: number, act: Act): Act =>
  (state, words) => {
    for (let i = 0; i < sleepers; i++) void Atomics.waitAsync(words, index, Atomics.load(words, index));
    act(state, words);
    return `${Atomics.notify(words, index)} still asleep`;
  };

type Row = readonly [what: string, before: readonly number[], act: Act, outcome: unknown, after: readonly number[]];

const [W, G] = [WAITERS, GRANTED];
const TRANSITIONS: readonly Row[] = [
  ["take: free", [0, 4, 6], take, true, [SELF, 4, 6]],
  ["take: free, somebody sleeps", [W, 4, 6], take, true, [SELF | W, 4, 6]],
  ["take: a newcomer overtakes", [G | W, 4, 6], take, true, [SELF | G | W | BARGE, 4, 6]],
  ["take: the last that may", [(G | W) + BARGE, 4, 6], take, true, [(SELF | G | W) + 2 * BARGE, 4, 6]],
  ["take: one more than K", [(G | W) + 2 * BARGE, 4, 6], take, false, [(G | W) + 2 * BARGE, 4, 6]],
  ["take: somebody is inside", [OTHER | W, 4, 6], take, false, [OTHER | W, 4, 6]],
  ["take: broken", [BROKEN, 4, 6], take, "OWNER_DIED", [BROKEN, 4, 6]],
  [
    "who is inside",
    [OTHER | G | W, 4, 6],
    (state) => `${state.owner} ${state.broken}`,
    "77 false",
    [OTHER | G | W, 4, 6],
  ],
  ["nobody is inside", [W, 4, 6], (state) => `${state.owner} ${state.broken}`, "null false", [W, 4, 6]],
  ["it is broken", [BROKEN, 4, 6], (state) => `${state.owner} ${state.broken}`, "null true", [BROKEN, 4, 6]],

  ["release: nobody waits", [SELF, 4, 6], release, undefined, [0, 4, 6]],
  ["release: nobody sleeps any more", [SELF | W, 4, 6], release, undefined, [0, 5, 6]],
  ["release: nor in the queue, one in the seat", [SELF | W, 4, 7], release, undefined, [0, 5, 8]],
  ["release: the seat is granted", [(SELF | G | W) + BARGE, 4, 6], release, undefined, [(G | W) + BARGE, 4, 6]],
  ["release: who has the seat sleeps", [SELF | G | W, 4, 7], release, undefined, [G | W, 4, 8]],
  ["release: one of two is woken", [SELF | W, 4, 6], beside(QUEUE, 2, release), "1 still asleep", [G | W, 5, 6]],
  ["release: all in the seat are", [SELF | G | W, 4, 7], beside(SEAT, 2, release), "0 still asleep", [G | W, 4, 8]],
  ["release: it was taken away", [OTHER, 4, 6], release, "CONFLICT", [OTHER, 4, 6]],

  ["poison", [SELF | W, 4, 6], (state) => codeOf(() => state.poison()), undefined, [BROKEN, 5, 8]],
  ["poison: it was taken away", [OTHER, 4, 6], (state) => codeOf(() => state.poison()), "CONFLICT", [OTHER, 4, 6]],
  ["death: the owner's", [OTHER | W, 4, 7], (state) => state.threadDied(OTHER_ID), true, [BROKEN, 5, 8]],
  ["death: somebody's", [(OTHER | G | W) + BARGE, 4, 6], (state) => state.threadDied(5), false, [OTHER | W, 5, 8]],
  ["death: nobody waits", [0, 4, 6], (state) => state.threadDied(5), false, [0, 5, 8]],
  ["wake all", [OTHER | W, 4, 7], (state) => state.wakeAll(), undefined, [OTHER | W, 5, 8]],

  ["pass on: somebody is inside", [OTHER, 4, 6], cancelled(SEAT), undefined, [OTHER, 4, 6]],
  ["pass on: and somebody waits", [OTHER | W, 4, 7], cancelled(SEAT), undefined, [OTHER | W, 4, 7]],
  ["pass on: a seat", [(OTHER | G | W) + BARGE, 4, 7], cancelled(SEAT), undefined, [OTHER | W, 4, 8]],
  ["pass on: while it is granted", [OTHER | G, 4, 6], cancelled(SEAT), undefined, [OTHER | W, 4, 6]],
  ["pass on: a seat, and it is free", [G | W, 4, 7], cancelled(SEAT), undefined, [0, 5, 8]],
  ["pass on: to who sleeps", [G | W, 4, 6], beside(QUEUE, 2, cancelled(SEAT)), "1 still asleep", [G | W, 5, 6]],
  ["pass on: the look at a free one", [W, 4, 6], cancelled(SEAT), undefined, [0, 5, 6]],
  ["pass on: nothing", [0, 4, 6], cancelled(SEAT), undefined, [0, 4, 6]],
  ["pass on: a broken one is nobody's", [BROKEN, 4, 6], cancelled(SEAT), undefined, [BROKEN, 4, 6]],
  ["cancelled in the queue", [OTHER | G | W, 4, 6], cancelled(QUEUE), undefined, [OTHER | W, 5, 6]],

  ["acquire: free", [0, 4, 6], acquires(), "inside", [SELF, 4, 6]],
  ["acquire: queue up", [OTHER, 4, 6], acquires(), "1 while 4", [OTHER | W, 4, 6]],
  ["acquire: given up before", [OTHER, 4, 6], acquires([], aborts()), "CANCELLED", [OTHER | W, 4, 6]],
  ["acquire: in the queue, too late", [OTHER, 4, 6], acquires([[null, "timed-out"]]), "TIMEOUT", [OTHER | W, 4, 6]],
  ["acquire: in the queue, cancelled", [OTHER, 4, 6], acquires([[null, "cancelled"]]), "CANCELLED", [OTHER | W, 4, 6]],
  ["acquire: woken with all", [OTHER, 4, 6], acquires([[null, "ok"]]), "1 while 4", [OTHER | W, 4, 6]],
  ["acquire: woken, and it is broken", [OTHER, 4, 6], acquires([[BROKEN, "ok"]]), "OWNER_DIED", [BROKEN, 4, 6]],
  [
    "acquire: who was not woken has no seat",
    [OTHER, 4, 6],
    acquires([[(G | W) + 2 * BARGE, "not-equal"]]),
    "1 while 4",
    [(G | W) + 2 * BARGE, 4, 6],
  ],
  ["acquire: into the seat and in", [OTHER, 4, 7], acquires([[G | W, "ok"]]), "inside", [SELF | W, 4, 8]],
  ["acquire: sit", [OTHER, 4, 6], acquires([[OTHER | G | W, "ok"]]), "2 while 7", [OTHER | G | W, 4, 7]],
  [
    "acquire: sit, and in",
    [OTHER, 4, 6],
    acquires([
      [OTHER | G | W, "ok"],
      [(G | W) + BARGE, "ok"],
    ]),
    "inside",
    [SELF | W, 4, 8],
  ],
  [
    "acquire: the seat is gone",
    [OTHER, 4, 6],
    acquires([
      [OTHER | G | W, "ok"],
      [OTHER | W, "ok"],
    ]),
    "1 while 4",
    [OTHER | W, 4, 7],
  ],
  [
    "acquire: sit, too late",
    [OTHER, 4, 6],
    acquires([
      [OTHER | G | W, "ok"],
      [null, "timed-out"],
    ]),
    "TIMEOUT",
    [OTHER | W, 4, 8],
  ],
  [
    "acquire: sit, at the last moment",
    [OTHER, 4, 6],
    acquires([
      [OTHER | G | W, "ok"],
      [G | W, "timed-out"],
    ]),
    "inside",
    [SELF | W, 4, 8],
  ],
  [
    "acquire: sit, cancelled (`cancel` has passed it on)",
    [OTHER, 4, 6],
    acquires([
      [OTHER | G | W, "ok"],
      [null, "cancelled"],
    ]),
    "CANCELLED",
    [OTHER | G | W, 4, 7],
  ],
];

/** Aborted while it slept, and woken at the same time: the seat goes to the next. */
const abortedSeat: Row = [
  "acquire: woken, and given up",
  [OTHER, 4, 6],
  (state, words) => {
    const controller = new AbortController();
    const acquisition = state.acquire({ signal: controller.signal });
    acquisition.next();
    Atomics.store(words, LOCK, OTHER | G | W);
    controller.abort();
    return codeOf(() => acquisition.next("ok"));
  },
  "CANCELLED",
  [OTHER | W, 4, 6],
];

export const transitions = program<object>(import.meta.url, {
  title: "every transition of the words, one thread",
  setup: () => ({}),
  threads: [
    () => {
      for (const [what, [lock, queue, seat], act, outcome, after] of [...TRANSITIONS, abortedSeat]) {
        const words = made(lock!, queue, seat);
        assert.deepEqual([act(stateOf(words), words), ...words.subarray(0, 3)], [outcome, ...after], what);
      }
    },
  ],
});

interface State {
  readonly words: Words;
}

const from = (
  title: string,
  lock: number,
  threads: readonly ThreadBody<State>[],
  check: NonNullable<ProgramSpec<State>["check"]>,
) => program<State>(import.meta.url, { title, setup: () => ({ words: made(lock) }), threads, check });

/** In the end it is free and nobody is waited for. */
const nobody: NonNullable<ProgramSpec<State>["check"]> = ({ words }) => assert.equal(words[LOCK], 0);

/** A newcomer that does not wait. */
const tries: ThreadBody<State> = ({ words }, { threadId }) => {
  const state = stateOf(words);
  if (!state.take()) return;
  assert.equal(state.owner, threadId, "somebody else has it too");
  state.release();
};
const releases: ThreadBody<State> = ({ words }) => stateOf(words).release();
const passesOn: ThreadBody<State> = ({ words }) => stateOf(words).cancel(SEAT);
const ofNobodyDies: ThreadBody<State> = ({ words }) => void stateOf(words).threadDied(OTHER_ID);

const freedByOther: ThreadBody<State> = ({ words }) => {
  Atomics.store(words, LOCK, 0);
  stateOf(words).wakeAll();
};

/** Waits as a blocking `lock` does. `woken`: it has just been woken from the queue, together with everybody. */
const waits =
  (woken: boolean): ThreadBody<State> =>
  ({ words }) => {
    const state = stateOf(words);
    const acquisition = state.acquire({});
    let step = acquisition.next();
    for (let believes = woken; step.done !== true; believes = false) {
      const { index, expected } = step.value;
      step = acquisition.next(believes ? "ok" : sleepOnce(words, index, expected, Infinity));
    }
    state.release();
  };

/** Newcomers that come while somebody is inside: each sets WAITERS, and has not fallen asleep yet. */
const queueUp =
  (times: number): ThreadBody<State> =>
  ({ words }) => {
    for (let i = 0; i < times; i++) {
      const word = Atomics.load(words, LOCK);
      if ((word & (BROKEN - 1)) === 0) return;
      Atomics.compareExchange(words, LOCK, word, word | WAITERS);
    }
  };

export const races = {
  tries: from("two newcomers", 0, [tries, tries], nobody),
  passedWhileReleased: from(
    "the owner releases to a seat whose waiter gives up",
    owner(0) | G | W,
    [releases, passesOn],
    nobody,
  ),
  passedWhileTaken: from("a waiter in the seat gives up while a newcomer takes it", G | W, [passesOn, tries], nobody),
  deathWhileReleased: from(
    "a death is told while the owner releases to the seat",
    owner(1) | G | W,
    [ofNobodyDies, releases],
    ({ words }) => assert.equal(words[LOCK]! & ~W, 0),
  ),
  deathWhileTaken: from("a death is told while a newcomer takes it", G | W, [ofNobodyDies, tries], ({ words }) =>
    assert.equal(words[LOCK]! & ~W, 0),
  ),
  deathOfTheOwner: from(
    "the owner's death is told while one is about to sleep",
    OTHER,
    [
      ({ words }) => stateOf(words).threadDied(OTHER_ID),
      (state, context) => codeOf(() => waits(false)(state, context)),
    ],
    (_state, { results }) => assert.deepEqual(results, [true, "OWNER_DIED"]),
  ),
  wakeAll: from(
    "two wake all: each is a change of both words",
    OTHER,
    [({ words }) => stateOf(words).wakeAll(), ({ words }) => stateOf(words).wakeAll()],
    ({ words }) => assert.deepEqual([words[QUEUE], words[SEAT]], [2, 4]),
  ),
  rounds: from(
    "a release has at most two rounds, however many queue up meanwhile",
    owner(0) | W,
    [releases, queueUp(6)],
    ({ words }) => assert.ok(words[QUEUE]! <= 2 && (words[LOCK]! & ~W) === 0),
  ),
  one: from(
    "a release in two rounds wakes one of two",
    owner(0) | W,
    [
      releases,
      async ({ words }) => {
        const state = stateOf(words);
        const sleeps = [1, 2].map(() => {
          const step = state.acquire({}).next();
          return step.done === true ? null : Atomics.waitAsync(words, QUEUE, step.value.expected);
        });
        if (!sleeps.every((sleep) => sleep?.async === true)) return;
        await (sleeps[0]!.value as Promise<unknown>);
        assert.equal(Atomics.notify(words, QUEUE), 1, "both were woken");
      },
    ],
    () => {},
  ),
  seat: from(
    "one sits down; it is free, and all are told: SEAT does not go back to where another may sleep on it",
    OTHER | G,
    [freedByOther, waits(true)],
    ({ words }) => assert.ok(words[SEAT]! >= 2),
  ),
  seats: from(
    "two sit on a seat; it is free, and all are told: both look again",
    OTHER | G,
    [freedByOther, waits(true), waits(true)],
    ({ words }) => assert.equal(words[LOCK]! & ~W, 0),
  ),
};

/** `threadDied` of a thread that lives takes it away; whoever has it then keeps it, and the thread is told. */
const takenAway = (title: string, letGo: (state: MutexState) => void) =>
  from(
    title,
    owner(0) | W,
    [
      ({ words }) => codeOf(() => letGo(stateOf(words))) ?? "let go",
      (state, context) => {
        queueUp(2)(state, context);
        const taken = stateOf(state.words).threadDied(1);
        if (taken) assert.ok(stateOf(state.words).takeBroken(), "it is not broken");
        return taken;
      },
    ],
    ({ words }, { results: [said, taken] }) => {
      assert.equal(said, taken === true ? "CONFLICT" : "let go");
      if (taken === true) assert.equal(words[LOCK]! & ~W, owner(1), "it was taken from the new owner");
    },
  );

export const misuse = {
  release: takenAway("taken away from its living owner while it releases", (state) => state.release()),
  poison: takenAway("taken away from its living owner while it poisons", (state) => state.poison()),
};
