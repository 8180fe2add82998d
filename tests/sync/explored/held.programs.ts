/**
 * Which locks a thread holds, and what follows from it (src/threads/sync/held.ts), for one thread: orders that are
 * recorded and those that are not, async contexts, and circles of waits, where the other threads' waits are put into
 * the domain as they would have put them there.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";
import {
  acquired,
  acquiring,
  acquiringAsync,
  attachLock,
  createLockRef,
  released,
  waiting,
  withContext,
  type Lock,
} from "../../../src/threads/sync/held.ts";
import { LockDomain } from "../../../src/threads/sync/lock-domain.ts";

const SELF = 1;
const SHARED = 1 << 10;
/** Of lock-domain.ts: where the slots begin, and how long one is. The first word of a slot is its holder's. */
const SLOTS = 3077;
const SLOT_WORDS = 21;

const alone = (title: string, body: ThreadBody<object>) =>
  program<object>(import.meta.url, { title, setup: () => ({}), threads: [body] });

const lock = (name: string, ordered = true): Lock => attachLock("lock", createLockRef(name, ordered));
/** One that found no number any more. */
const uncounted = (shared = false): Lock => attachLock("lock", { ...createLockRef("uncounted"), id: 0 }, shared);
/** In a domain that is not this thread's; the number 1 is that of another lock here. */
const foreign = (id = 1): Lock =>
  attachLock("lock", { domain: LockDomain.create(9).words, id, name: "foreign", ordered: true });

const edges = ({ domain }: Lock): readonly string[] => domain.edges().map(({ held, acquired: to }) => `${held}>${to}`);

/** Asks for `inner` while `outer` is held. */
function nested(outer: Lock, inner: Lock): void {
  acquired(outer);
  try {
    acquiring(inner);
  } finally {
    released(outer);
  }
}

export const orders = alone("which orders are recorded", () => {
  const [a, b, c] = [lock("a"), lock("b"), lock("c")];
  const other = foreign(5);
  for (const unchecked of [uncounted(), lock("free", false), other, a]) {
    nested(a, unchecked);
    nested(unchecked, a);
  }
  assert.deepEqual([edges(a), edges(other)], [[], []]);
  nested(a, b);
  nested(a, b);
  nested(attachLock("lock", a.ref), b);
  assert.deepEqual(edges(a), ["1>2"]);
  assert.throws(() => nested(b, a), { code: "LOCK_ORDER" });

  acquired(a);
  acquired(b);
  released(a);
  acquiring(c); // b is held, and a is not
  released(b);
  acquiring(lock("nothing is held"));
  acquired(c);
  released(a); // is not held
  acquiring(lock("after c"));
  released(c);
  acquiring(lock("nothing is held again"));
  assert.deepEqual(edges(a), ["1>2", "2>3", "3>7"]);

  const storage = new AsyncLocalStorage<null>();
  acquired(b);
  assert.throws(
    () => storage.run(null, acquiring, a),
    (thrown: { details: { site: string } }) => {
      assert.match(thrown.details.site, /held\.programs\.ts/); // not the line of node's that has called it
      return true;
    },
  );
  released(b);
});

export const contexts = alone("what an async context holds", async () => {
  const a = lock("a");
  const inside = (outer: Lock, asked: Lock): Promise<void> => withContext(outer, () => acquiringAsync(asked));
  const same = uncounted();
  for (const [outer, asked] of [
    [a, a],
    [a, attachLock("lock", a.ref)],
    [same, same],
  ] as const)
    await assert.rejects(inside(outer, asked), { code: "DEADLOCK" });
  await inside(a, foreign());
  await inside(same, uncounted());
  const { promise, resolve } = Promise.withResolvers<void>();
  let later: Promise<void> | undefined;
  await withContext(a, () => {
    later = promise.then(() => acquiringAsync(a));
  });
  resolve();
  await later; // its beginning was inside, and it is not any more
});

export const circles = alone("circles of waits", () => {
  const [a, b, c] = [lock("a"), lock("b"), lock("c")];
  const ref = createLockRef("rw");
  const [reading, writing] = [attachLock("lock", ref, true), attachLock("lock", ref)];
  const { domain } = a;
  const [A, B, C, WRITING] = [a, b, c, writing].map((one) => one.ref.id) as [number, number, number, number];
  const READING = WRITING | SHARED;

  type Other = readonly [threadId: number, holds: number, waitsFor: number];
  /** "waits, published", "waits", or the code and the message of what is thrown. */
  const ask = (others: readonly Other[], holds: readonly Lock[], waitsFor: Lock, limited = false): string => {
    for (const [threadId, held, waitedFor] of others) {
      const slot = domain.publish(waitedFor, [held], "there")!;
      domain.words[SLOTS + slot * SLOT_WORDS] = threadId + 1;
    }
    for (const held of holds) acquired(held);
    let said = "not called";
    try {
      waiting(waitsFor, limited, () => {
        said = waitsFor.domain.waiting().some(({ threadId }) => threadId === SELF) ? "waits, published" : "waits";
      });
    } catch (thrown) {
      said = `${(thrown as { code?: string }).code}: ${(thrown as Error).message}`;
    }
    for (const held of holds) released(held);
    assert.equal(waitsFor.domain.waiting().length, waitsFor.domain === domain ? others.length : 0);
    for (const [threadId] of others) domain.threadDied(threadId);
    return said;
  };

  assert.match(
    ask([[77, B, A]], [a], b),
    /^DEADLOCK: .*thread 1 holds "a" and waits for "b", at .*held\.programs\.ts.*thread 77 holds "b" and waits for "a"/,
  );
  assert.match(
    ask(
      [
        [77, B, C],
        [78, C, A],
      ],
      [a],
      b,
    ),
    /^DEADLOCK: .*thread 1 .*thread 77 .*thread 78 /,
  );
  // readers do not keep each other out; a writer is kept out, and keeps out
  assert.equal(ask([[77, READING, A]], [a], reading), "waits, published");
  assert.match(ask([[77, READING, A]], [a], writing), /^DEADLOCK: .*waits for "rw".*thread 77 holds "rw"/);
  assert.match(ask([[77, WRITING, A]], [a], reading), /^DEADLOCK: .*waits for "rw"/);
  assert.match(ask([[77, A, READING]], [writing], a), /^DEADLOCK: .*holds "rw".*waits for "rw"/);

  assert.equal(ask([[77, C, A]], [a], b), "waits, published");
  assert.equal(
    ask(
      [
        [77, B, C],
        [78, C, B],
      ],
      [a],
      b,
    ),
    "waits, published",
    "a circle of others",
  );
  assert.equal(ask([[77, B, A]], [a], b, true), "waits");
  assert.equal(ask([], [], b), "waits");
  assert.equal(ask([], [foreign()], a), "waits");
  assert.equal(ask([], [a], foreign()), "waits");
  assert.equal(ask([], [uncounted()], a), "waits");
  assert.equal(ask([], [a], uncounted(true)), "waits");
});
