/** The semaphore before one thread: its line, what a death leaves of it, what is in this thread's own way. */
import assert from "node:assert/strict";
import { AbortWord, Semaphore } from "../../../src/threads/sync/index.ts";
import { aloneIn, meanwhile, OTHER, rejects, throws } from "./alone.ts";

const alone = aloneIn(import.meta.url);

const TURN = 0;
const TICKETS = 1;
const HIGH = 3;
const OWNER = 0x3ff;
const WAITERS = 1 << 10;
const QUEUED = 1;
const HELD = 2;

/** The thread that is nobody takes a record, for so many permits. */
function leave({ handle: { words } }: Semaphore, slot: number, state: number, permits: number): void {
  const at = 16 * (slot + 1);
  Atomics.store(words, HIGH, Math.max(words[HIGH]!, slot + 1));
  Atomics.store(words, at + 1, Atomics.add(words, TICKETS, 1));
  Atomics.store(words, at + 2, permits);
  Atomics.store(words, at, (OTHER + 1) | (state << 23));
}

export const line = alone(
  "a semaphore: nobody goes before those in line; a call that is refused leaves nothing",
  async () => {
    const own = Semaphore.create(3, { capacity: 8 });
    await rejects("OPTION_INVALID", own.acquireAsync(1, { timeoutMs: -1 }));
    own.tryAcquire(3)!.release();
    const two = own.acquire(2);
    const abort = AbortWord.create().bind(own);
    const all = own.acquireAsync(3, { abort });
    assert.equal(own.tryAcquire(), null, "one is free, and another is in line");
    abort.abort("INTERNAL");
    await rejects("INTERNAL", all);
    own.acquire().release();
    two.release();
    // who gives up its turn passes it on
    const one = own.acquire();
    const [first, rest] = [own.acquire(), own.acquire()];
    const next = own.acquireAsync();
    const controller = new AbortController();
    const large = own.acquireAsync(3, { signal: controller.signal });
    first.release();
    const second = await next;
    while ((own.handle.words[TURN]! & OWNER) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const behind = own.acquireAsync();
    rest.release();
    controller.abort();
    await rejects("CANCELLED", large);
    for (const guard of [one, second, await behind]) guard.release();
    // another has the turn: a task of this thread that is in line is in its way
    leave(own, 3, QUEUED, 3);
    own.handle.words[TURN] = 4;
    const queued = own.acquireAsync();
    throws("DEADLOCK", () => own.acquire(1, { timeoutMs: 5 }), /an async task of this thread waits in front/);
    own.threadDied(OTHER);
    (await queued).release();
    assert.equal(own.available, 3);
  },
);

export const deaths = alone("a semaphore: what a thread leaves that dies", async () => {
  const own = Semaphore.create(2);
  // the only one in line
  leave(own, 0, QUEUED, 1);
  own.handle.words[TURN] = WAITERS;
  assert.equal(own.threadDied(OTHER), false);
  own.tryAcquire(2)!.release();
  // whose turn it was, and who waits behind
  leave(own, 0, QUEUED, 2);
  own.handle.words[TURN] = 1;
  const behind = own.acquireAsync();
  assert.equal(own.threadDied(OTHER), false);
  (await behind).release();
  // what it held is waited for
  leave(own, 0, HELD, 2);
  const waiting = own.acquireAsync(2);
  assert.equal(own.threadDied(OTHER), true);
  (await waiting).release();
  own.tryAcquire(2)!.release();
});

export const between = alone("a semaphore: what others do in the midst of a call", async () => {
  // a permit counts as taken before the next may count
  const own = Semaphore.create(1, { capacity: 2 });
  const { words } = own.handle;
  let second: unknown;
  meanwhile("compareExchange", words, TURN, () => (second = Semaphore.attach(own.handle).tryAcquire()), 2);
  const held = own.tryAcquire()!;
  assert.equal(second, null);
  // who takes the record of one that gives up does not take its turn with it
  let newcomer: Promise<{ release: () => void }> | null = null;
  meanwhile("store", words, 16 * 2, () => (newcomer = Semaphore.attach(own.handle).acquireAsync()));
  assert.equal(own.tryAcquire(), null);
  held.release();
  (await newcomer!).release();
  assert.equal(own.available, 1);
});
