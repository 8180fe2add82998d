/**
 * Which locks this thread holds, and what follows from it: the order of locks (lock-order.ts) and cycles of waits. For
 * the locks of this room (mutex, rwlock):
 *
 *   createLockRef(name, ordered)          in `create`, once per lock; goes into its handle
 *   attachLock("mutex", handle.lock)      once per object that is created or attached; a lock with two modes makes one
 *                                         of each (shared or not)
 *   acquiring(lock)                       before a blocking acquisition; throws LOCK_ORDER, nothing has happened then
 *   acquiringAsync(lock)                  the same for an async one; throws DEADLOCK too, if this async context holds
 *                                         the lock
 *   waiting(lock, limited, wait)          around the part of a blocking acquisition that may sleep; throws DEADLOCK
 *                                         before it calls `wait`
 *   acquired(lock), released(lock)        once per guard, `tryLock` included
 *   withContext(lock, fn)                 runs fn in an async context that holds the lock
 *   lock.domain.threadDied(id)            from the object's own `threadDied`
 *
 * What is held is a plain list of this thread, so a lock taken while nothing is held costs no shared access; and each
 * held lock remembers which locks were acquired after it, so a known order costs none either.
 *
 * A wait cycle: a thread that holds nothing cannot be part of one. A thread that holds something and is about to wait
 * without limit publishes both in its domain, then looks for a cycle among what is published; the last of the threads
 * in a cycle sees all of it (sequential consistency). No false alarm: this thread does hold its locks, so who waits for
 * one of them is truly waiting, so it holds what it published, and so on round the cycle; a reader that seems to wait
 * for a reader may have been let in meanwhile, and is not followed. (A thread that died while waiting counts as waiting
 * until its death is known.) Two threads that come at once may both report it.
 *
 * Async locks belong to their guard, not to the thread. Where the code that asks for a lock runs inside `withContext`,
 * the locks of that async context count as held; a bare guard has no context. A blocking acquisition counts everything
 * that the thread holds, since none of it can be released while the thread is blocked.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { threadId } from "node:worker_threads";
import { forgetBetweenSchedules, LockstepError } from "../../base/index.ts";
import { refused } from "./arguments.ts";
import { adoptDomain, threadDomain, type LockDomain, type LockRef, type Waiting } from "./lock-domain.ts";
import { recordOrder } from "./lock-order.ts";

/** One lock as one object of this thread knows it. */
export interface Lock {
  /** "mutex", for instance. */
  readonly kind: string;
  readonly ref: LockRef;
  readonly domain: LockDomain;
  /** Held together with others: the reading side of a read-write lock. */
  readonly shared: boolean;
  /** Ids of the locks that were acquired while this one was held, and found in order. */
  readonly followers: Set<number>;
}

interface Context {
  readonly lock: Lock;
  readonly outer: Context | undefined;
  active: boolean;
}

const held: Lock[] = [];
/** Made by the first `withContext`, so that blocking code pays nothing for it. */
let contexts: AsyncLocalStorage<Context> | null = null;

forgetBetweenSchedules(() => {
  held.length = 0;
  contexts = null;
});

/**
 * A new lock's place in this thread's domain, for its handle. `name` is what messages call it; at most 255 bytes of it
 * are kept.
 */
export function createLockRef(name?: string, ordered = true): LockRef {
  if (name !== undefined && typeof name !== "string") throw refused("the name of a lock", "a string", name);
  const domain = threadDomain();
  return { domain: domain.words, id: domain.register(name), name: name ?? null, ordered };
}

export function attachLock(kind: string, ref: LockRef, shared = false): Lock {
  return { kind, ref, domain: adoptDomain(ref.domain), shared, followers: new Set() };
}

/** `the mutex "queue"` */
export function describeLock(lock: Lock): string {
  const { name, id } = lock.ref;
  return `the ${lock.kind} ${name === null ? `#${id}` : `"${name}"`}`;
}

export function acquiring(lock: Lock): void {
  for (const other of held) checkOrder(other, lock);
}

export function acquiringAsync(lock: Lock): void {
  for (let context = contexts?.getStore(); context !== undefined; context = context.outer) {
    if (!context.active) continue;
    if (same(context.lock, lock)) {
      throw new LockstepError(
        "DEADLOCK",
        `${describeLock(lock)} is asked for by code that runs inside it (at ${callSite()}): waiting for it ` +
          "would never end; call that code after the lock, or without it",
        { lock: describeLock(lock) },
      );
    }
    checkOrder(context.lock, lock);
  }
}

export function acquired(lock: Lock): void {
  held.push(lock);
}

export function released(lock: Lock): void {
  if (held.at(-1) === lock) held.pop();
  else held.splice(held.lastIndexOf(lock) >>> 0, 1); // 2^32 − 1, nothing, if it is not there
}

export function waiting(lock: Lock, limited: boolean, wait: () => void): void {
  const others =
    limited || lock.ref.id === 0 ? [] : held.filter((other) => other.ref.id !== 0 && other.domain.sameAs(lock.domain));
  const slot = others.length === 0 ? null : lock.domain.publish(modeOf(lock), others.map(modeOf), callSite());
  try {
    if (slot !== null) throwOnCycle(lock);
    wait();
  } finally {
    if (slot !== null) lock.domain.withdraw(slot);
  }
}

export async function withContext<T>(lock: Lock, fn: () => T | Promise<T>): Promise<T> {
  contexts ??= new AsyncLocalStorage();
  const context: Context = { lock, outer: contexts.getStore(), active: true };
  try {
    return await contexts.run(context, fn);
  } finally {
    context.active = false;
  }
}

function same(one: Lock, other: Lock): boolean {
  return one === other || (one.ref.id !== 0 && one.ref.id === other.ref.id && one.domain.sameAs(other.domain));
}

const SHARED = 1 << 10;

/** As published: the id, and whether the lock is held, or waited for, together with others. */
function modeOf(lock: Lock): number {
  return lock.ref.id | (lock.shared ? SHARED : 0);
}

function keepsOut(heldMode: number, waitingFor: number): boolean {
  return (heldMode & ~SHARED) === (waitingFor & ~SHARED) && (heldMode & waitingFor & SHARED) === 0;
}

function checkOrder(before: Lock, after: Lock): void {
  const id = after.ref.id;
  if (before.followers.has(id) || id === 0 || before.ref.id === 0 || before.ref.id === id) return;
  if (!before.ref.ordered || !after.ref.ordered || !before.domain.sameAs(after.domain)) return;
  recordOrder(after.domain, before.ref.id, id, callSite);
  before.followers.add(id);
}

function throwOnCycle(lock: Lock): void {
  const cycle = cycleFrom(threadId, lock.domain.waiting());
  if (cycle === null) return;
  const name = (mode: number): string => lock.domain.nameOf(mode & ~SHARED);
  const story = cycle.map(
    (thread) =>
      `thread ${thread.threadId} holds ${thread.held.map(name).join(", ")} and waits for ` +
      `${name(thread.waitingFor)}, at ${thread.site}`,
  );
  throw new LockstepError(
    "DEADLOCK",
    `these threads wait for each other for ever: ${story.join("; ")}. This thread (${threadId}) gives up its ` +
      "wait; let it release what it holds, and acquire these locks in one order everywhere",
    {
      threads: cycle.map((thread) => thread.threadId),
      locks: cycle.map((thread) => name(thread.waitingFor)),
      sites: cycle.map((thread) => thread.site),
    },
  );
}

/** The threads of a cycle of waits through `start`, in order: each waits for a lock that the next one holds. */
function cycleFrom(start: number, threads: readonly Waiting[]): readonly Waiting[] | null {
  const visited = new Set<number>();
  const follow = (thread: Waiting, path: readonly Waiting[]): readonly Waiting[] | null => {
    for (const holder of threads) {
      if (!holder.held.some((mode) => keepsOut(mode, thread.waitingFor))) continue;
      if (holder.threadId === start) return path;
      if (visited.has(holder.threadId)) continue;
      visited.add(holder.threadId);
      const found = follow(holder, [...path, holder]);
      if (found !== null) return found;
    }
    return null;
  };
  const self = threads.find((thread) => thread.threadId === start);
  return self === undefined ? null : follow(self, [self]);
}

const ROOM = new URL(".", import.meta.url).href;

/** The innermost call from outside this room: `name (file:///…/file.ts:12:7)`. */
function callSite(): string {
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  const outside = lines.find((line) => !line.includes(ROOM) && !line.includes("node:"));
  return (outside ?? lines.at(-1) ?? "an unknown place").trim().replace(/^at /, "");
}
