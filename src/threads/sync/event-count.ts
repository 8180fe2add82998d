/**
 * An event count: a number that says "something has happened since you looked". Look at the count, look at the state
 * that it speaks of, and if there is nothing to do wait while the count is what it was: no change falls between look
 * and sleep. For state that lies outside of shared memory too (a message in a port).
 *
 * Word 0: EVENTS, changes with every `advance`; waiters sleep here. It wraps at 2^32; a waiter would have to sleep
 * through all of them to be deceived. Memory order: what was done before `advance` is visible to whoever has read the
 * count that it made. Deaths leave nothing; one between the change and the notification leaves sleepers asleep, so
 * `threadDied` wakes all. D. Reed and R. Kanodia, "Synchronization with Eventcounts and Sequencers" (1979).
 */
import type { Wakeable } from "./abort.ts";
import { int32 } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";
import { tellAll } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, load, type SyncHandle, type Words } from "./words.ts";

export type EventCountHandle = SyncHandle<"event-count">;

export class EventCount implements Supervised, Wakeable {
  readonly handle: EventCountHandle;
  readonly #words: Words;

  private constructor(handle: EventCountHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "event-count", 1);
  }

  static create(): EventCount {
    return new EventCount({ kind: "event-count", words: allocateWords(1) });
  }

  static attach(handle: EventCountHandle): EventCount {
    return new EventCount(handle);
  }

  /** To be read before the state. */
  get count(): number {
    return load(this.#words, 0);
  }

  /** After the state has changed. */
  advance(): void {
    tellAll(this.#words, 0);
  }

  /** Blocks while the count is `seen`. False: the time limit passed. Throws the abort's reason. */
  wait(seen: number, options: WaitOptions = {}): boolean {
    int32("the count that was seen", seen);
    return sleep(this.#words, 0, seen, deadlineOf(options), "waiting for an event", options.abort);
  }

  /** The form for a thread that must not block. Rejects with CANCELLED too. */
  async waitAsync(seen: number, options: AsyncWaitOptions = {}): Promise<boolean> {
    int32("the count that was seen", seen);
    return await sleepAsync(
      this.#words,
      0,
      seen,
      deadlineOf(options),
      "waiting for an event",
      options.signal,
      options.abort,
    );
  }

  wakeAll(): void {
    this.advance();
  }

  /** False: it is nobody's. */
  threadDied(): boolean {
    this.advance();
    return false;
  }
}
