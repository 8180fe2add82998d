/**
 * Whose turn it is (src/threads/sync/turn.ts), step by step: the word TURN before and after, for one thread; and two
 * threads where one looks for somebody to wake while the other joins the line.
 */
import assert from "node:assert/strict";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";
import { acquired, attachLock, createLockRef, released } from "../../../src/threads/sync/held.ts";
import { AbortWord } from "../../../src/threads/sync/index.ts";
import { Slots, wordsFor } from "../../../src/threads/sync/slots.ts";
import {
  ASIDE,
  QUEUED,
  Turn,
  TURN,
  waitAsync,
  waitBlocking,
  WAITERS,
  type Waiting,
} from "../../../src/threads/sync/turn.ts";
import { allocateWords, type Words } from "../../../src/threads/sync/words.ts";

const HIGH = 3;
/** Bits of the object that the turn belongs to. */
const [ONE, TWO] = [1 << 11, 1 << 12];
const JOIN = 1 << 13;
const MOST_JOINS = 0x7fff_ffff & -JOIN;

const made = (): Words => allocateWords(wordsFor(3));
function attach(words: Words): readonly [Turn, Slots] {
  const slots = new Slots(words, HIGH, "line");
  return [new Turn(words, slots), slots];
}

const alone = (title: string, body: ThreadBody<object>) =>
  program<object>(import.meta.url, { title, setup: () => ({}), threads: [body] });

export const steps = alone("take, queue, reach, leave and settle, one thread", () => {
  const words = made();
  const [turn, slots] = attach(words);
  /** What `act` makes of TURN, from `before`. */
  const turns = (before: number, act: () => unknown): readonly unknown[] => {
    Atomics.store(words, TURN, before);
    const outcome = act();
    return [outcome, turn.word];
  };
  const woken = (slot: number): number => Atomics.load(words, slots.wakeWord(slot));
  assert.deepEqual(
    [0, 1, 2].map(() => slots.claim(ASIDE)),
    [0, 1, 2],
  );

  assert.deepEqual(
    turns(3 * JOIN, () => turn.take(1)),
    [true, (3 * JOIN) | 2],
  );
  assert.deepEqual(
    turns(ONE, () => turn.take(1)),
    [false, ONE],
  );
  assert.deepEqual(
    turns(WAITERS, () => turn.take(1)),
    [false, WAITERS],
  );
  assert.deepEqual(
    turns(1, () => turn.take(1)),
    [false, 1],
  );
  assert.equal(turn.owner, 0);

  turn.queue(2);
  turn.queue(0);
  turn.queue(1);
  assert.deepEqual([slots.first(QUEUED), slots.state(1)], [2, QUEUED]);
  assert.deepEqual(
    turns(ONE | WAITERS | JOIN, () => turn.reach(2, true)),
    ["mine", ONE | WAITERS | JOIN | 3],
  );
  assert.deepEqual(
    turns(3, () => turn.reach(2, false)),
    ["mine", 3],
  );
  assert.deepEqual(
    turns(0, () => turn.reach(0, false)),
    ["wait", WAITERS | JOIN],
  );
  assert.deepEqual(
    turns(ONE | 3 | WAITERS | JOIN, () => turn.reach(0, false)),
    ["wait", ONE | 3 | WAITERS | (2 * JOIN)],
  );
  assert.deepEqual(
    turns(3 | WAITERS | JOIN, () => turn.reach(0, true)),
    ["wait", 3 | WAITERS | JOIN],
  );
  assert.deepEqual(
    turns(3 | JOIN, () => turn.reach(0, true)),
    ["wait", 3 | WAITERS | (2 * JOIN)],
  );
  assert.deepEqual(
    turns(3 | MOST_JOINS, () => turn.reach(0, true)),
    ["wait", 3 | WAITERS],
  );

  assert.deepEqual(
    turns(ONE | WAITERS | JOIN | 3, () => turn.leave(2, TWO)),
    [undefined, TWO | WAITERS | JOIN],
  );
  assert.deepEqual(
    turns(ONE | WAITERS | 1, () => turn.leave(2)),
    [undefined, ONE | WAITERS | 1],
  );

  // with somebody in line
  slots.set(2, ASIDE);
  assert.deepEqual(
    turns(ONE | WAITERS | JOIN, () => turn.settle()),
    [0, ONE | WAITERS | JOIN],
  );
  assert.deepEqual([woken(0), woken(1), woken(2)], [1, 0, 0]);
  assert.deepEqual(
    turns(WAITERS | 3, () => turn.settle()),
    [0, WAITERS | 3],
  );
  assert.deepEqual(
    turns(ONE, () => turn.settle()),
    [0, ONE],
  );
  assert.deepEqual([woken(0), woken(1), woken(2)], [1, 0, 0]);

  // with nobody
  slots.set(0, ASIDE);
  slots.set(1, ASIDE);
  assert.deepEqual(
    turns(ONE | JOIN, () => turn.settle()),
    [0, ONE | JOIN],
  );
  assert.deepEqual(
    turns(ONE | TWO | WAITERS | (2 * JOIN), () => turn.settle(ONE)),
    [TWO, ONE | (2 * JOIN)],
  );
  assert.deepEqual(
    turns(ONE | TWO | WAITERS, () => turn.settle()),
    [ONE | TWO, 0],
  );
  assert.deepEqual([woken(0), woken(1), woken(2)], [1, 0, 0]);
});

const sleeps = (words: Words, left: string[] = []): Waiting => ({
  index: 0,
  what: () => "waiting for this",
  step: () => Atomics.load(words, 0),
  giveUp: () => void left.push("given up"),
});

export const limits = alone("waits with a limit, an abort or a signal end, and leave nothing", async () => {
  const words = allocateWords(1);
  const left: string[] = [];
  const waiting = sleeps(words, left);
  const abort = AbortWord.create();
  abort.abort("INTERNAL");
  const nothing = (): void => {};
  assert.throws(() => waitBlocking(words, waiting, { abort }, nothing), { code: "INTERNAL" });
  assert.throws(() => waitBlocking(words, waiting, { timeoutMs: 5 }, nothing), { code: "TIMEOUT" });
  await assert.rejects(waitAsync(words, waiting, { abort }), { code: "INTERNAL" });
  await assert.rejects(waitAsync(words, waiting, { timeoutMs: 5 }), { code: "TIMEOUT" });
  const controller = new AbortController();
  const cancelled = waitAsync(words, waiting, { signal: controller.signal });
  controller.abort();
  await assert.rejects(cancelled, { code: "CANCELLED" });
  assert.deepEqual([left.length, Atomics.notify(words, 0)], [5, 0]);
  // of two on one word the second is given up: both leave the queue, and the first will look again
  const [patient, hasty] = [new AbortController(), new AbortController()];
  const stays = waitAsync(words, waiting, { signal: patient.signal });
  const goes = waitAsync(words, waiting, { signal: hasty.signal });
  hasty.abort();
  assert.equal(Atomics.notify(words, 0), 0);
  await assert.rejects(goes, { code: "CANCELLED" });
  patient.abort();
  await assert.rejects(stays, { code: "CANCELLED" });

  // a circle of one: this thread waits for what it holds; reported only where nothing ends the wait
  const lock = attachLock("lock", createLockRef("own"));
  acquired(lock);
  assert.throws(() => waitBlocking(words, waiting, {}, nothing, lock), { code: "DEADLOCK" });
  assert.throws(() => waitBlocking(words, waiting, { timeoutMs: 5 }, nothing, lock), { code: "TIMEOUT" });
  assert.throws(() => waitBlocking(words, waiting, { abort }, nothing, lock), { code: "INTERNAL" });
  assert.equal(left.length, 10);
  released(lock);
});

interface State {
  readonly words: Words;
}

/** Nobody has the turn, and nobody is in line any more; WAITERS is left over. */
const setup = (): State => {
  const words = made();
  const [, slots] = attach(words);
  slots.claim(ASIDE);
  slots.free(0);
  words[TURN] = WAITERS | ONE;
  return { words };
};

const settles: ThreadBody<State> = ({ words }) => attach(words)[0].settle();

export const races = {
  joins: program<State>(import.meta.url, {
    title: "one looks for somebody to wake while another joins, and takes the turn",
    setup,
    threads: [
      settles,
      ({ words }) => {
        const [turn, slots] = attach(words);
        const slot = slots.claim(ASIDE);
        turn.queue(slot);
        return turn.reach(slot, false);
      },
    ],
    check: ({ words }, { results }) => {
      assert.equal(results[1], "mine");
      assert.equal(attach(words)[0].owner, 0);
    },
  }),
  comesRound: program<State>(import.meta.url, {
    title: "JOINS has come round: who joined meanwhile is woken all the same",
    setup,
    threads: [
      settles,
      ({ words }) => {
        const [turn, slots] = attach(words);
        const slot = slots.claim(ASIDE);
        const wake = slots.wakeWord(slot);
        const seen = Atomics.load(words, wake);
        turn.queue(slot);
        // it has joined, and so have 2^18 − 1 others who are gone: TURN is what it was
        if ((turn.word & WAITERS) !== 0) Atomics.wait(words, wake, seen);
      },
    ],
  }),
};
