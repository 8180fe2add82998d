/**
 * The read-write lock before one thread: who goes in after whom, which locks count as held, what a death leaves, and
 * what another thread may do in the midst of a call.
 */
import assert from "node:assert/strict";
import { AbortWord, Mutex, RwLock } from "../../../src/threads/sync/index.ts";
import { LockDomain } from "../../../src/threads/sync/lock-domain.ts";
import { aloneIn, meanwhile, OTHER, others, rejects, SELF, throws } from "./alone.ts";

const alone = aloneIn(import.meta.url);

const TURN = 0;
const TICKETS = 1;
const HIGH = 3;
const OWNER = 0x3ff;
const WAITERS = 1 << 10;
const READERS_WAIT = 1 << 11;
const BROKEN = 1 << 12;
const ASIDE = 0;
const QUEUED = 1;
const READING = 2;
const INSIDE = 4;

const stateWord = (slot: number): number => 16 * (slot + 1);

/** The thread that is nobody takes a record, in this state. */
function leave({ handle: { words } }: RwLock, slot: number, state: number): void {
  Atomics.store(words, HIGH, Math.max(words[HIGH]!, slot + 1));
  Atomics.store(words, stateWord(slot) + 1, Atomics.add(words, TICKETS, 1));
  Atomics.store(words, stateWord(slot), (OTHER + 1) | (state << 23));
}

const entering = (log: string[], name: string, entered: Promise<{ release: () => void }>): Promise<void> =>
  entered.then(
    (guard) => {
      log.push(name);
      guard.release();
    },
    (thrown: unknown) => void log.push(`${name} ${(thrown as { code?: string }).code}`),
  );

/** Whether this thread counts as one that holds the lock: the order in which locks are acquired shows it. */
function holds(lock: RwLock): boolean {
  const fresh = Mutex.create();
  fresh.lock().release();
  using _fresh = fresh.lock();
  try {
    lock.read({ timeoutMs: 0 }).release();
  } catch (thrown) {
    return (thrown as { code?: string }).code === "LOCK_ORDER";
  }
  return false;
}

export const order = alone("a read-write lock is held until it is let go, in whatever way", async () => {
  const own = RwLock.create();
  const read = own.read();
  assert.equal(holds(own), true);
  read.release();
  assert.equal(holds(own), false);
  const write = own.write();
  assert.equal(holds(own), true);
  const reader = write.downgrade();
  assert.equal(own.tryWrite(), null);
  assert.equal(holds(own), true);
  reader.release();
  assert.equal(holds(own), false);
  own.write().release();
  assert.equal(holds(own), false);
  own.write().poison();
  own.writeForRepair().release();
  assert.equal(holds(own), false);

  // a call that is refused leaves nothing: no order of locks, no record
  const bad = { timeoutMs: -1 };
  const outer = Mutex.create();
  for (const use of [() => own.read(bad), () => own.write(bad)]) {
    using _outer = outer.lock();
    throws("OPTION_INVALID", use);
  }
  for (const use of [() => own.readAsync(bad), () => own.writeAsync(bad)])
    await outer.withLock(() => rejects("OPTION_INVALID", use()));
  const free = own.tryWrite()!;
  outer.lock().release();
  free.release();
});

export const phases = alone("a read-write lock: a reader that sleeps goes in between two writers", async () => {
  const own = RwLock.create();
  const log: string[] = [];
  const first = own.write();
  const waiting = [entering(log, "reader", own.readAsync()), entering(log, "second", own.writeAsync())];
  first.release();
  await Promise.all(waiting);
  assert.deepEqual(log, ["reader", "second"]);

  // the line dissolves without a turn: the reader that waited for it starts anew
  const writer = own.write();
  const controller = new AbortController();
  const cancelled = entering(log, "cancelled", own.writeAsync({ signal: controller.signal }));
  writer.release();
  const reading = entering(log, "reader", own.readAsync());
  controller.abort();
  await Promise.all([cancelled, reading]);
  assert.deepEqual(log.slice(2).sort(), ["cancelled CANCELLED", "reader"]);

  // who gives up its turn passes it on
  const reader = own.read();
  const another = new AbortController();
  const gone = entering(log, "gone", own.writeAsync({ signal: another.signal }));
  const next = entering(log, "next", own.writeAsync());
  assert.equal(own.writer, null, "it has the turn, and is not inside");
  another.abort();
  reader.release();
  await Promise.all([gone, next]);
  assert.deepEqual(log.slice(4), ["gone CANCELLED", "next"]);

  own.handle.words[TURN] = INSIDE << 23; // so many have slept: no record says anything
  assert.equal(own.writer, null);
});

export const told = alone("a read-write lock: an abort and a poisoned lock reach whoever sleeps", async () => {
  const own = RwLock.create({ capacity: 3 });
  const log: string[] = [];
  const abort = AbortWord.create().bind(own);
  const held = own.write();
  const asleep = [
    entering(log, "reader", own.readAsync({ abort })),
    entering(log, "writer", own.writeAsync({ abort })),
  ];
  abort.abort("INTERNAL");
  await Promise.all(asleep);
  assert.deepEqual(log.sort(), ["reader INTERNAL", "writer INTERNAL"]);
  const waiting = entering(log, "later", own.readAsync());
  held.poison();
  await waiting;
  assert.equal(log[2], "later OWNER_DIED");
  for (let round = 0; round < 4; round++) {
    throws("OWNER_DIED", () => own.tryWrite());
    throws("OWNER_DIED", () => own.tryRead());
    own.writeForRepair().poison(); // its record is free again
  }
  // a repair is waited for; in line for it, a writer is told all the same
  const repair = own.writeForRepair();
  assert.equal(own.tryRead(), null);
  const patient = entering(log, "patient", own.readAsync());
  repair.release();
  await patient;
  assert.equal(log[3], "patient");
  own.write().poison();
  leave(own, 0, QUEUED);
  throws("OWNER_DIED", () => own.write({ timeoutMs: 5 }));
});

export const repairs = alone("a read-write lock: a repair that is given up leaves it broken", async () => {
  const own = RwLock.create({ capacity: 5 });
  const { words } = own.handle;
  const log: string[] = [];
  own.write().poison();
  leave(own, 4, READING); // somebody is just looking
  throws("TIMEOUT", () => own.writeForRepair({ timeoutMs: 5 }));
  assert.equal(own.broken, true);
  const controller = new AbortController();
  const given = entering(log, "given up", own.writeForRepairAsync({ signal: controller.signal }));
  const limited = entering(log, "limited", own.writeForRepairAsync({ timeoutMs: 5 }));
  const reader = entering(log, "reader", own.readAsync());
  assert.notEqual(Atomics.load(words, TURN) & READERS_WAIT, 0);
  controller.abort();
  await Promise.all([given, reader]);
  assert.equal(log[0], "given up CANCELLED");
  assert.ok(log.includes("reader OWNER_DIED"), log.join());
  await limited;
  assert.equal(own.broken, true);
  Atomics.store(words, stateWord(4), 0);
  const repair = own.writeForRepair();
  assert.equal(repair.broken, true);
  repair.release();
  assert.equal(words[TURN]! & (OWNER | WAITERS | READERS_WAIT | BROKEN), 0);
});

export const ownWay = alone("a read-write lock: what is in this thread's own way is refused, and named", async () => {
  const soon = { timeoutMs: 5 };
  const own = RwLock.create();
  const reader = own.read();
  throws("DEADLOCK", () => own.write(soon), /this thread reads under/);
  const turn = own.writeAsync(); // its turn, while the reader is inside
  reader.release();
  throws("DEADLOCK", () => own.read(soon), /in an async task, to write under/);
  (await turn).release();
  const writer = own.write();
  throws("DEADLOCK", () => own.write(soon), /this thread writes under/);
  const queued = own.writeAsync();
  writer.release();
  throws("DEADLOCK", () => own.write(soon), /in an async task, to write under/);
  (await queued).release();

  // another's turn: neither a reader's task of this thread nor another's record is in the way
  const log: string[] = [];
  leave(own, 9, INSIDE);
  leave(own, 8, READING);
  own.handle.words[TURN] = 10;
  const reading = entering(log, "reader", own.readAsync());
  throws("TIMEOUT", () => own.write(soon));
  throws("TIMEOUT", () => own.read(soon));
  own.threadDied(OTHER);
  await reading;
  assert.deepEqual(log, ["reader OWNER_DIED"]);
});

export const deaths = alone("a read-write lock: what a thread leaves that dies", async () => {
  const log: string[] = [];
  const died = (state: number, word: number): RwLock => {
    const lock = RwLock.create();
    leave(lock, 0, state);
    lock.handle.words[TURN] = word;
    return lock;
  };
  // a writer that waits for readers; one that repairs; one inside
  for (const [state, word, held, broken] of [
    [ASIDE, 1, false, false],
    [QUEUED, 1 | WAITERS, false, false],
    [QUEUED, 1 | BROKEN, false, true],
    [ASIDE, 1 | BROKEN, false, true],
    [INSIDE, 1, true, true],
    [READING, 0, true, false],
  ] as const) {
    const lock = died(state, word);
    const waiting = broken ? lock.writeForRepairAsync() : lock.writeAsync();
    const reading = entering([], "reader", lock.readAsync());
    assert.equal(lock.threadDied(OTHER), held);
    assert.equal(lock.threadDied(OTHER), false);
    assert.equal(lock.broken, broken);
    (await waiting).release();
    await reading;
    assert.equal(lock.handle.words[TURN]! & (OWNER | WAITERS | READERS_WAIT | BROKEN), 0);
    lock.tryWrite()!.release();
  }
  // the only one in line: nobody waits any more
  const line = died(QUEUED, WAITERS);
  line.threadDied(OTHER);
  line.tryRead()!.release();

  // it had begun to let readers in
  const half = died(ASIDE, 1);
  const waiting = [entering(log, "reader", half.readAsync()), entering(log, "writer", half.writeAsync())];
  Atomics.and(half.handle.words, TURN, ~READERS_WAIT);
  half.threadDied(OTHER);
  await Promise.all(waiting);
  assert.deepEqual(log.splice(0), ["reader", "writer"]);

  // a newcomer comes as soon as the turn is nobody's: the reader is inside by then
  const quick = died(ASIDE, 1);
  let came = null;
  const slow = entering(log, "reader", quick.readAsync());
  Atomics.and(quick.handle.words, TURN, ~READERS_WAIT);
  meanwhile("compareExchange", quick.handle.words, TURN, () => (came = quick.tryWrite()));
  quick.threadDied(OTHER);
  assert.equal(came, null);
  await slow;

  // it had begun to release: not broken; and it no longer waits for anything
  const released = RwLock.create();
  const guard = released.write();
  meanwhile("load", released.handle.words, TURN, () => released.threadDied(SELF));
  guard.release();
  assert.equal(released.broken, false);
  const domain = new LockDomain(released.handle.lock.domain);
  domain.publish(1, [2], "somewhere");
  assert.equal(domain.waiting().length, 1);
  released.threadDied(SELF);
  assert.equal(domain.waiting().length, 0);
});

export const between = alone("a read-write lock: what others do in the midst of a call", async () => {
  const log: string[] = [];
  const own = RwLock.create();
  const { words } = own.handle;
  // the writer leaves when the reader has seen it, and another comes before the reader has gone in
  const first = own.write();
  let second: { release: () => void } | null = null;
  meanwhile("store", words, stateWord(1), () => {
    first.release();
    meanwhile("load", words, TURN, () => (second = own.tryWrite()), 2);
  });
  const reading = entering(log, "reader", own.readAsync());
  await others();
  log.push("the second leaves");
  (second as { release: () => void } | null)!.release();
  await reading;
  assert.deepEqual(log, ["the second leaves", "reader"]);

  // who takes the record of one that leaves does not take its turn with it
  const small = RwLock.create({ capacity: 1 });
  const comes = (nth: number): Promise<{ release: () => void }>[] => {
    const came: Promise<{ release: () => void }>[] = [];
    meanwhile(
      "store",
      small.handle.words,
      stateWord(0),
      () => came.push(RwLock.attach(small.handle).writeAsync()),
      nth,
    );
    return came;
  };
  const leaves = small.write();
  const next = comes(2); // it is put aside, then free
  leaves.release();
  const guard = await next[0]!;
  assert.equal(small.writer, SELF);
  guard.release();
  const poisons = small.write();
  const told = comes(1);
  poisons.poison();
  await rejects("OWNER_DIED", told[0]!);
});
