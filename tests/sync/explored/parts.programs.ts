/**
 * What primitives are made of, by itself: who sleeps behind a bit (sleepers.ts), sleeping with limits (wait.ts) and the
 * table of records (slots.ts). Here a few steps show what in a primitive is spread over many.
 */
import assert from "node:assert/strict";
import { AbortWord } from "../../../src/threads/sync/index.ts";
import { announce, wakeEverybody, wakeOne } from "../../../src/threads/sync/sleepers.ts";
import { Slots, wordsFor } from "../../../src/threads/sync/slots.ts";
import {
  deadlineOf,
  pause,
  sleep,
  sleepAsync,
  sleepOnce,
  sleepOnceAsync,
  type AbortCheck,
} from "../../../src/threads/sync/wait.ts";
import { allocateWords, type Words } from "../../../src/threads/sync/words.ts";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";

const alone = (title: string, body: ThreadBody<object>) =>
  program<object>(import.meta.url, {
    title: `alone: ${title}`,
    setup: () => ({}),
    threads: [body],
  });

const CANCELLED = { code: "CANCELLED" };
const rejects = async (pending: Promise<unknown>): Promise<void> => {
  const code = await pending.then(
    () => "none",
    (thrown: unknown) => (thrown as { code?: string }).code ?? String(thrown),
  );
  assert.equal(code, "CANCELLED");
};

// what the sleepers share: a flag, the sequence, how many things have come, and whether anything will
const FLAGS = 0;
const SEQUENCE = 1;
const COME = 2;
const OVER = 3;
const BIT = 4;

interface Sleeping {
  readonly words: Words;
}
const sleeping = (flags: number) => (): Sleeping => {
  const words = allocateWords(4);
  words[FLAGS] = flags;
  return { words };
};

const bring =
  (times: number): ThreadBody<Sleeping> =>
  ({ words }) => {
    for (let i = 0; i < times; i++) {
      Atomics.add(words, COME, 1);
      if ((Atomics.load(words, FLAGS) & BIT) !== 0) wakeOne(words, FLAGS, BIT, SEQUENCE);
    }
  };

const until =
  (wanted: number): ThreadBody<Sleeping> =>
  ({ words }) => {
    for (;;) {
      const seen = announce(words, FLAGS, BIT, SEQUENCE);
      if (Atomics.load(words, COME) >= wanted) return;
      sleep(words, SEQUENCE, seen, Infinity);
    }
  };

/** Seen when it is asked a second time: after the sleep. */
const oneLook = (): AbortCheck => {
  let looks = 0;
  return {
    throwIfAborted: (what) => {
      if (looks++ > 0) throw Object.assign(new Error(what), CANCELLED);
    },
  };
};

export const sleepers = {
  vain: program<Sleeping>(import.meta.url, {
    title: "sleepers, a bit that nobody needs is taken back: whoever sets it meanwhile is not lost",
    setup: sleeping(BIT),
    threads: [bring(2), until(2)],
  }),
  everybody: program<Sleeping>(import.meta.url, {
    title: "sleepers, all are woken while one announces itself",
    setup: sleeping(0),
    threads: [
      ({ words }) => {
        for (let i = 0; i < 2; i++) {
          Atomics.add(words, COME, 1);
          if (Atomics.load(words, FLAGS) !== 0) wakeEverybody(words, FLAGS, BIT, SEQUENCE);
        }
      },
      until(1),
      until(2),
    ],
  }),
  givesUp: program<Sleeping>(import.meta.url, {
    title: "sleepers, the one who is woken gives up: the other, asleep or about to be, is not forgotten",
    setup: sleeping(0),
    threads: [
      ({ words }) => {
        const seen = announce(words, FLAGS, BIT, SEQUENCE);
        if (Atomics.load(words, OVER) === 1) return;
        assert.throws(() => sleep(words, SEQUENCE, seen, Infinity, "a thing", oneLook()), CANCELLED);
      },
      (state, thread) => {
        void until(1)(state, thread);
        Atomics.store(state.words, OVER, 1);
        wakeEverybody(state.words, FLAGS, BIT, SEQUENCE);
      },
      bring(1),
    ],
  }),
  alone: alone("sleepers: one is woken while some sleep, and the bit is taken back when nobody does", async () => {
    const words = allocateWords(3);
    const seen = announce(words, FLAGS, BIT, SEQUENCE);
    assert.deepEqual([seen, words[FLAGS]], [0, BIT]);
    const two = [0, 1].map(() => sleepAsync(words, SEQUENCE, seen, Infinity, "a thing"));
    wakeOne(words, FLAGS, BIT, SEQUENCE);
    assert.equal(words[FLAGS], BIT, "the other one may still sleep");
    assert.notEqual(words[SEQUENCE], seen);
    assert.equal(Atomics.notify(words, SEQUENCE), 1);
    assert.deepEqual(await Promise.all(two), [true, true]);
    words[FLAGS] = BIT | 1;
    wakeOne(words, FLAGS, BIT, SEQUENCE);
    assert.equal(words[FLAGS], 1);
  }),
};

export const waits = {
  passes: alone("waits: one that is woken and aborted passes the wake-up on, to one", async () => {
    const words = allocateWords(1);
    const abort = AbortWord.create();
    const aborted = sleepAsync(words, 0, 0, Infinity, "this", undefined, abort);
    const [next, last] = [0, 1].map(() => sleepAsync(words, 0, 0, Infinity, "this"));
    abort.abort();
    assert.equal(Atomics.notify(words, 0, 1), 1);
    await rejects(aborted);
    assert.equal(await next, true);
    assert.equal(Atomics.notify(words, 0), 1);
    assert.equal(await last, true);
  }),
  late: alone("waits: an abort that is seen when the time is up is told, and nobody is woken for it", async () => {
    const words = allocateWords(1);
    const other = sleepAsync(words, 0, 0, Infinity, "this");
    assert.throws(() => sleep(words, 0, 0, deadlineOf({ timeoutMs: 5 }), "this", oneLook()), CANCELLED);
    const abort = AbortWord.create();
    const limited = sleepAsync(words, 0, 0, deadlineOf({ timeoutMs: 5 }), "this", undefined, abort);
    abort.abort();
    await rejects(limited);
    assert.throws(() => sleep(words, 0, 0, Infinity, "this", abort), CANCELLED);
    await rejects(sleepAsync(words, 0, 0, Infinity, "this", undefined, abort));
    assert.equal(Atomics.notify(words, 0), 1);
    assert.equal(await other, true);
  }),
  cancelled: alone("waits: one that is cancelled leaves nothing in the queue, wherever it stood", async () => {
    const words = allocateWords(1);
    const other = sleepAsync(words, 0, 0, Infinity, "this");
    const controller = new AbortController();
    const cancelled = sleepAsync(words, 0, 0, Infinity, "this", controller.signal);
    controller.abort();
    await rejects(cancelled);
    assert.equal(Atomics.notify(words, 0), 0);
    assert.equal(await other, true);
    await rejects(sleepAsync(words, 0, 0, Infinity, "this", controller.signal));
  }),
  signal: alone("waits: one that has a signal ends without it, and hears of it no more", async () => {
    const words = allocateWords(1);
    const controller = new AbortController();
    const woken = sleepAsync(words, 0, 0, Infinity, "this", controller.signal);
    assert.equal(Atomics.notify(words, 0), 1);
    assert.equal(await woken, true);
    const other = sleepAsync(words, 0, 0, Infinity, "this");
    controller.abort();
    assert.equal(Atomics.notify(words, 0), 1);
    assert.equal(await other, true);
  }),
  clock: alone("waits: a limit is as long as it says", async () => {
    const words = allocateWords(1);
    const took = async (wait: () => unknown): Promise<number> => {
      const before = performance.now();
      await wait();
      return Math.round(performance.now() - before);
    };
    assert.equal(await took(() => pause(1000)), 1000);
    assert.equal(await took(() => pause(0)), 0);
    for (const timeoutMs of [7, 0]) {
      assert.equal(await took(() => sleepOnce(words, 0, 0, deadlineOf({ timeoutMs }))), timeoutMs);
      assert.equal(
        await took(() => sleepOnceAsync(words, 0, 0, deadlineOf({ timeoutMs }), undefined, () => {})),
        timeoutMs,
      );
    }
  }),
};

const HIGH = 4;
const CAPACITY = 3;
const DEAD = 76;
const WAITS = 2;

interface Table {
  readonly words: Words;
}
const slotsOf = ({ words }: Table): Slots => new Slots(words, HIGH, "thing");
const table =
  (...records: readonly number[]) =>
  (): Table => {
    const words = allocateWords(wordsFor(CAPACITY));
    records.forEach((record, slot) => (words[16 * (slot + 1)] = record));
    words[HIGH] = records.length;
    return { words };
  };
const record = (holder: number, state: number): number => (holder + 1) | (state << 23);
const tickets = (...given: readonly number[]): Slots => {
  const slots = slotsOf(table()());
  for (const ticket of given) slots.setTicket(slots.claim(WAITS), ticket);
  return slots;
};

export const slots = {
  high: program<Table>(import.meta.url, {
    title: "slots, two threads claim and one gives back: no record in use is out of sight",
    setup: table(),
    threads: [
      (state) => void slotsOf(state).claim(1),
      (state) => {
        const mine = slotsOf(state);
        const first = mine.claim(1);
        mine.claim(1);
        mine.free(first);
      },
    ],
    check: (state) => {
      const all = slotsOf(state);
      for (let slot = 0; slot < CAPACITY; slot++)
        assert.ok(all.state(slot) < 0 || slot < all.high, `record ${slot} lies above ${all.high}`);
    },
  }),
  change: program<Table>(import.meta.url, {
    title: "slots, two threads change the state of a record: one of them does",
    setup: table(record(DEAD, 1)),
    threads: [(state) => slotsOf(state).change(0, 1, 2), (state) => slotsOf(state).change(0, 1, 3)],
    check: (state, { results }) => {
      assert.equal(results.filter(Boolean).length, 1);
      assert.equal(slotsOf(state).state(0), results[0] === true ? 2 : 3);
    },
  }),
  bury: program<Table>(import.meta.url, {
    title: "slots, two supervisors bury a thread: each record is cleared once, and is its own until then",
    setup: table(record(DEAD, 1), record(DEAD - 1, 1)),
    threads: [0, 1].map((): ThreadBody<Table> => (state) => {
      const all = slotsOf(state);
      let cleared = 0;
      all.bury(DEAD, (slot, died) => {
        assert.deepEqual([slot, died, all.holder(slot)], [0, 1, DEAD]);
        cleared++;
      });
      return cleared;
    }),
    check: (state, { results }) => {
      assert.equal(Number(results[0]) + Number(results[1]), 1);
      assert.deepEqual([slotsOf(state).state(0), slotsOf(state).holder(1)], [-1, DEAD - 1]);
    },
  }),
  buryChanged: program<Table>(import.meta.url, {
    title: "slots, a record of a dead thread changes while it is buried: it is cleared as what it was last",
    setup: table(record(DEAD, 1)),
    threads: [
      (state) => {
        let died = 0;
        slotsOf(state).bury(DEAD, (_, last) => (died = last));
        return died;
      },
      (state) => slotsOf(state).change(0, 1, 2),
    ],
    check: (_, { results }) => assert.deepEqual(results[0], results[1] === true ? 2 : 1),
  }),
  alone: alone("slots", async () => {
    assert.throws(() => new Slots(allocateWords(24), HIGH, "thing"), /no head and table/);
    const own = slotsOf(table()());
    assert.equal(own.change(0, 0, 1), false, "a free record is in no state");
    assert.deepEqual([own.claim(0), own.claim(1), own.claim(2), own.high], [0, 1, 2, 3]);
    assert.throws(() => own.claim(1), { code: "OVERLOADED" });
    own.free(1);
    assert.equal(own.change(0, 0, 1), true);
    assert.deepEqual([own.state(0), own.state(1), own.mine(1), own.some(2), own.some(0)], [1, -1, false, true, false]);
    assert.equal(own.claim(3), 1);
    assert.equal(tickets().first(WAITS), -1);
    assert.equal(tickets(5, 3, 4).first(WAITS), 1);
    assert.equal(tickets(1, 2, 3).first(WAITS), 0);
    assert.equal(tickets(1, 1, 1).first(WAITS), 0);
    assert.equal(tickets(3, 2, 1).first(WAITS), 2);
    assert.equal(tickets(-(2 ** 31), 2 ** 31 - 1, 1 - 2 ** 31).first(WAITS), 1, "tickets wrap");
    assert.equal(tickets(2 ** 31 - 1, -(2 ** 31), 1 - 2 ** 31).first(WAITS), 0, "tickets wrap");
    const state = table()();
    const sleeping = slotsOf(state);
    const waits = [0, 1, 2].map((ticket) => {
      const slot = sleeping.claim(WAITS);
      sleeping.setTicket(slot, ticket);
      return sleepAsync(state.words, sleeping.wakeWord(slot), 0, Infinity, "this");
    });
    sleeping.free(1);
    sleeping.wakeAll();
    assert.deepEqual(await Promise.all([waits[0], waits[2]]), [true, true]);
    assert.equal(Atomics.notify(state.words, sleeping.wakeWord(1)), 1, "nobody waits with a free record");
    assert.equal(await waits[1], true);
  }),
};
